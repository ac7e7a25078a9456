// Every text of the page. To add a language: one more object like `en`, with all of its keys,
// in `languages`; texts with a number or a name in them are functions.

const count = (n, one, many) => `${n === 100 ? '100+' : n} ${n === 1 ? one : many}`;

const en = {
  app: 'Parley',
  titleWith: (n) => `(${n}) Parley`,

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
  passwordHint: 'At least 8 characters; a sentence is easy to remember.',
  gender: 'Gender',
  female: 'Female',
  male: 'Male',
  ended: 'Your session has ended. Please log in again.',
  loggedOut: 'You have been logged out. Please log in again.',
  loggedOutEverywhere: 'You are logged out on every device.',

  // the start, and when it fails
  starting: 'Opening Parley…',
  noStart: 'Parley cannot be reached right now.',
  noStartHint: 'It is tried again by itself. Nothing of yours is lost.',
  retry: 'Retry',

  // one's own side
  people: 'People',
  settings: 'Settings',
  logOut: 'Log out',
  yourStatus: 'Your status',
  available: 'Available',
  busy: 'Busy',
  note: 'Why you are busy; others see it, and automatic replies may mention it',
  noteHint: 'Why? For example: in a meeting until three',
  noteSaved: 'Saved',
  find: 'Find someone',
  loading: 'Loading…',
  nobody: 'Nobody else is here yet. Invite someone!',
  noneFound: 'Nobody by that name.',
  online: 'Online',
  offline: 'Offline',
  busyOffline: 'Busy, offline',
  unread: ' unread',
  you: (text) => `You: ${text}`,
  draft: (text) => `Draft: ${text}`,
  deletedMessage: 'This message was deleted.',
  conversationsFailed: 'Your conversations could not be loaded.',
  peopleFailed: 'The list of people could not be loaded.',
  searchFailed: 'The search did not work.',

  // a conversation
  conversation: 'Conversation',
  pick: 'Pick someone to talk to.',
  pickHint: 'Set yourself to Busy, and an assistant answers for you.',
  messages: 'Messages',
  back: 'Back to everybody',
  busyWith: 'busy: an assistant answers',
  busyNote: (note) => `busy: ${note}`,
  noMessages: 'No messages yet. Say hello!',
  historyFailed: 'The messages could not be loaded.',
  olderFailed: 'Earlier messages could not be loaded.',
  personFailed: 'This conversation could not be opened.',
  noPerson: 'There is nobody at this address.',
  today: 'Today',
  yesterday: 'Yesterday',
  automatic: 'Automatic reply',
  edited: 'edited',
  newLine: 'New',
  newBelow: (n) => `${n === 100 ? '100+' : n} new ↓`,
  toEnd: 'To the latest message',
  typing: (name) => `${name} is writing…`,
  typingFor: (name) => `An assistant is answering for ${name}…`,
  state: { waiting: 'Waiting to be sent', sending: 'Sending', sent: 'Sent', delivered: 'Delivered', read: 'Read' },
  notSent: 'Not sent',
  delete: 'Delete',
  write: 'Write a message',
  message: 'Message',
  send: 'Send',
  says: (name) => `${name}: `,
  youSay: 'You: ',
  tooLong: (n) => `This message is too long, by about ${n} ${n === 1 ? 'character' : 'characters'}. Please send it in parts.`,

  // notices
  disconnected: 'No connection. What you write is kept, and sent as soon as it is back.',
  logOutFailed: (why) => `You are still logged in. ${why}`,
  statusFailed: (why) => `Your status was not changed. ${why}`,
  otherAccount: (name) => `This browser is now logged in as ${name}.`,
  close: 'Close',

  // settings
  notifications: 'Notifications',
  notificationsHint: 'When somebody writes and you are not looking.',
  notificationsBlocked: 'Your browser does not allow them for this site. Its settings do.',
  notificationsNone: 'This browser has no notifications.',
  sound: 'Sound',
  soundHint: 'A short one, when somebody writes and you are not looking.',
  logOutEverywhere: 'Log out everywhere',
  logOutEverywhereHint: 'Ends your sessions on every device, this one too.',

  // problems
  unreachable: 'The server cannot be reached. Check your connection and try again.',
  serverBusy: 'The server is busy or being restarted. Please try again in a moment.',
  wentWrong: 'Something went wrong. Please try again.',
  tooMany: (seconds) => `That was a lot in a short time. Please try again in ${seconds > 90 ? count(Math.ceil(seconds / 60), 'minute', 'minutes') : count(seconds, 'second', 'seconds')}.`,
  tooBig: 'That is too long to be sent.',
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
  messagePlain: 'A message cannot be empty, or longer than about 65,000 characters.',
  genderPlain: 'Please choose one.',
};

const languages = { en };
const rightToLeft = ['ar', 'fa', 'he', 'ur'];

const wanted = (globalThis.navigator?.languages ?? []).map((language) => language.split('-')[0]);
export const language = wanted.find((name) => languages[name]) ?? 'en';
export const t = languages[language];
export const direction = rightToLeft.includes(language) ? 'rtl' : 'ltr';
