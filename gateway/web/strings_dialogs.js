// The texts of what is loaded only when it is needed: forms, menus, dialogs, and what answers mean that
// mean no good. t has those of strings.js, too.
import { language, t as common } from './strings.js';

const count = (n, one, many) => `${n === 100 ? '100+' : n} ${n === 1 ? one : many}`;

const en = {
  // signed out
  welcome: 'Welcome to Parley',
  welcomeHint: 'Talk to people, and miss nothing.',
  createTitle: 'Create your account',
  logIn: 'Log in',
  signUp: 'Sign up',
  toSignUp: 'New here? Create an account',
  toLogIn: 'I have an account: log in',
  fullName: 'Full name',
  username: 'Username',
  password: 'Password',
  passwordAgain: 'Password, once more',
  passwordHint: 'The longer, the better; a sentence is easy to remember.',
  invite: 'Invite code',
  inviteHint: 'You need one to sign up here. Ask somebody who runs this place.',
  inviteBad: 'This invite code is not valid, or has been used.',
  gender: 'Gender',
  female: 'Female',
  male: 'Male',

  // menus
  edit: 'Edit',
  copy: 'Copy',
  copied: 'Copied',
  copyFailed: 'Your browser did not let the text be copied.',
  deleteTitle: 'Delete this message?',
  deleteText: 'It goes away for both of you, and cannot be brought back.',
  block: 'Block',
  blockTitle: (name) => `Block ${name}?`,
  blockText: 'Neither of you can write to the other. What was written stays.',

  // settings
  notifications: 'Notifications',
  notificationsHint: 'When somebody writes and you are not looking.',
  notificationsBlocked: 'Your browser does not allow them for this site. Its settings do.',
  notificationsNone: 'This browser has no notifications.',
  sound: 'Sound',
  soundHint: 'A short one, when somebody writes and you are not looking.',
  blockedPeople: 'People you have blocked',
  blockedNone: 'Nobody.',
  blockedFailed: 'Whom you have blocked could not be loaded.',
  unblockWho: (name) => `Unblock ${name}`,
  logOutEverywhere: 'Log out everywhere',
  logOutEverywhereHint: 'Ends your sessions on every device, this one too.',
  loggedOutEverywhere: 'You are logged out on every device.',

  // one's account
  choosePicture: 'Choose a picture',
  removePicture: 'Remove picture',
  pictureBroken: 'This file is not a picture that your browser can read.',
  pictureBig: 'This picture is too large.',
  changed: 'Saved',
  changePassword: 'Change your password',
  passwordNow: 'Your password now',
  passwordNew: 'New password',
  passwordDone: 'Your password is changed. Your other sessions have ended.',
  passwordWrong: 'This is not your password.',
  passwordsDiffer: 'The new passwords are not the same.',
  sessions: 'Where you are logged in',
  sessionSince: (when) => `Since ${when}`,
  sessionHere: 'This device',
  endSession: 'End',
  endSessionSince: (when) => `End the session since ${when}`,
  yourData: 'Your data',
  export: 'Download all of it',
  exportHint: 'Your profile, every message that you wrote or got, whom you blocked and how far you have read, in one file.',
  deleteAccount: 'Delete my account',
  deleteAccountText: 'This cannot be undone. Your profile and your picture go, your messages are deleted for everybody you wrote with, and your name can be taken by others. You may want to download your data first.',
  deleteAccountSure: 'Delete my account for good',
  accountDeleted: 'Your account is deleted.',

  // problems that an answer tells
  tooMany: (seconds) => `That was a lot in a short time. Please try again in ${seconds > 90 ? count(Math.ceil(seconds / 60), 'minute', 'minutes') : count(seconds, 'second', 'seconds')}.`,
  tooBig: 'That is too long to be sent.',
  tooLate: 'It is too late to edit this message.',
  inviteNeeded: 'Sign-up needs an invite code.',
  badImage: 'The server could not take this picture.',
  signUpClosed: 'Nobody can sign up here at the moment. Please ask whoever runs this place.',
  disabled: 'This account is disabled. Please ask whoever runs this place.',
  offlineNow: 'You were offline. Please try again.',
  recipientOffline: 'They are offline, and can only be written to while they are online.',
  blocked: 'You cannot write to this person.',
  userGone: 'This person is no longer here.',
  noteTooLong: 'A note has at most 280 characters.',
  namePlain: 'A full name has 1 to 100 characters.',
  usernamePlain: 'A username has 1 to 64 characters, and no spaces around it.',
  passwordPlain: 'This password cannot be taken. It must not be the username, nor very long.',
  passwordLeast: (n) => `The password is too short. It needs at least ${n} characters.`,
  quota: 'You have sent as much as one person may send in a day.',
  full: 'The server has no room left. Please tell whoever runs it.',
  messagePlain: 'A message cannot be empty.',
  messageMost: (n) => `A message cannot be empty, or have more than ${n.toLocaleString(language)} letters; emoji and many scripts count more.`,
  genderPlain: 'Please choose one.',
};

const languages = { en };

export const t = { ...common, ...languages[language] };
