// The HTTP API of one's own account.
import { call } from './api.js';

export const change = (fields) => call('PATCH', '/api/auth/me', fields);
export const setAvatar = (blob) => call('PUT', '/api/auth/avatar', blob);
export const removeAvatar = () => call('DELETE', '/api/auth/avatar');
export const changePassword = (form) => call('POST', '/api/auth/password', form);
export const exportPath = '/api/auth/export';
export const remove = (password) => call('DELETE', '/api/auth/me', { password });
export const sessions = () => call('GET', '/api/auth/sessions');
export const endSession = (id) => call('DELETE', `/api/auth/sessions/${id}`);
