// Every text of the page. To add a language: one more object like `en`, with all of its keys,
// in `languages`, here and in strings_dialogs.js; texts with a number or a name in them are functions.

const en = {
  app: 'Parley',
  titleWith: (n) => `(${n}) Parley`,

  // the session
  ended: 'Your session has ended. Please log in again.',
  loggedOut: 'You have been logged out. Please log in again.',

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
  noteHint: 'Why? As in: at lunch until two',
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
  deletedMessage: 'Message deleted',
  conversationsFailed: 'Your conversations could not be loaded.',
  peopleFailed: 'The list of people could not be loaded.',
  searchFailed: 'The search did not work.',

  // a conversation
  conversation: 'Conversation',
  pick: 'Pick someone to talk to.',
  pickHint: 'Set yourself to Busy, and an assistant answers for you.',
  messages: 'Messages',
  messagesHint: 'Arrow keys lead from message to message, and Enter to what can be done with one.',
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
  state: { waiting: 'Waiting to be sent', sending: 'Sending', sent: 'Sent', delivered: 'Delivered', read: 'Read', saving: 'Saving', deleting: 'Being deleted' },
  notSent: 'Not sent',
  delete: 'Delete',
  notChanged: 'Your change is not saved',
  notDeleted: 'Not deleted',
  discard: 'Discard',
  keep: 'Keep it',
  messageMenu: 'What to do with this message',
  editing: 'Editing a message',
  editEmpty: 'A message cannot be empty. To take it back, delete it.',
  save: 'Save',
  cancel: 'Cancel',
  more: 'More',
  unblock: 'Unblock',
  youBlocked: (name) => `You have blocked ${name}. Neither of you can write to the other.`,
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
  blockFailed: (why) => `That did not work. ${why}`,
  close: 'Close',

  profile: 'Your profile',

  // problems
  unreachable: 'The server cannot be reached. Check your connection and try again.',
  serverBusy: 'The server is busy or being restarted. Please try again in a moment.',
  wentWrong: 'Something went wrong. Please try again.',
  goneMessage: 'This message has been deleted.',
};

const languages = { en };
const rightToLeft = ['ar', 'fa', 'he', 'ur'];

const wanted = (globalThis.navigator?.languages ?? []).map((language) => language.split('-')[0]);
export const language = wanted.find((name) => languages[name]) ?? 'en';
export const t = languages[language];
export const direction = rightToLeft.includes(language) ? 'rtl' : 'ltr';
