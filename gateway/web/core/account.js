// The HTTP API of one's own account: what few need, and who is signed out.
import { call } from './api.js';

export const signUp = (form) => call('POST', '/api/auth/signup', form);
export const logIn = (form) => call('POST', '/api/auth/login', form);
export const logOutEverywhere = () => call('POST', '/api/auth/logout-all');
export const change = (fields) => call('PATCH', '/api/auth/me', fields);
export const setAvatar = (blob) => call('PUT', '/api/auth/avatar', blob);
export const removeAvatar = () => call('DELETE', '/api/auth/avatar');
export const changePassword = (form) => call('POST', '/api/auth/password', form);
export const exportPath = '/api/auth/export';
export const remove = (password) => call('DELETE', '/api/auth/me', { password });
export const sessions = () => call('GET', '/api/auth/sessions');
export const endSession = (id) => call('DELETE', `/api/auth/sessions/${id}`);
