// What answers mean that mean no good, in words that people use.
import { t } from '../strings_dialogs.js';

const byCode = {
  OFFLINE: t.offlineNow, RECIPIENT_OFFLINE: t.recipientOffline, BLOCKED: t.blocked, USER_NOT_FOUND: t.userGone, QUOTA: t.quota, STORAGE_FULL: t.full,
  TOO_LATE: t.tooLate, INVITE_NEEDED: t.inviteNeeded, SIGNUP_CLOSED: t.signUpClosed, DISABLED: t.disabled, BAD_IMAGE: t.badImage, IMAGE_TOO_LARGE: t.badImage,
};
const byStatus = { 410: t.goneMessage, 413: t.tooBig };
const byField = {
  fullName: t.namePlain, username: t.usernamePlain, password: t.passwordPlain, newPassword: t.passwordPlain, message: t.messagePlain, note: t.noteTooLong, gender: t.genderPlain,
};

const least = [/at least (\d+) /, t.passwordLeast];
const byNumber = { password: least, newPassword: least, message: [/1 to (\d+) bytes/, t.messageMost] };

/** The server's own number, which a setting may have changed. */
function numbered(field, text) {
  const [pattern, say] = byNumber[field] ?? [];
  const number = pattern?.exec(text)?.[1];
  return number && say(Number(number));
}

/** {message, field}: what an answer means, and the field that it is about. */
export function meaningOf(status, body, retryAfter) {
  const code = body?.code ?? '';
  const text = typeof body?.error === 'string' ? body.error : t.wentWrong;
  const field = code === 'INVALID_FIELD' ? /^\w+/.exec(text)?.[0] : '';
  const message = byCode[code] ?? (status === 429 ? t.tooMany(Number(retryAfter) || 1)
    : status >= 500 ? t.serverBusy
    : byStatus[status] ? byStatus[status]
    : numbered(field, text) ?? byField[field] ?? text);
  return { message, field };
}
