// How far a conversation is read and delivered: what is told of it, and the line above what is new.
import * as api from './core/api.js';
import { byTime, isWithin } from './core/order.js';
import { isRefused } from './session.js';

const reachMost = 200; // messages that are read to find where the line is to stand

export class Marks {
  lineAt = null; // the id of the first message that is new
  #isLineDrawn = false;
  #told = new Map(); // id -> what was told as read
  #got = new Map(); // id -> the message that is to be told as delivered
  #delivered = new Map(); // id -> the one that was
  #timer;

  constructor(chat) { this.chat = chat; }

  /** Another conversation is open. */
  begin() {
    this.lineAt = null;
    this.#isLineDrawn = false;
  }

  theyTold(userId, field, upTo) {
    const { inbox, threads } = this.chat;
    const known = threads.get(userId)?.byId;
    inbox.told(userId, field, upTo, known);
    if (field === 'theirReadUpTo') inbox.told(userId, 'theirDeliveredUpTo', upTo, known);
    this.chat.draw();
  }

  /** Tell that a message is here; what comes together is told together. */
  deliver(id, message) {
    const known = this.#got.get(id) ?? this.#delivered.get(id);
    if (known && byTime(message, known) <= 0) return;
    this.#got.set(id, message);
    this.#timer ??= setTimeout(() => this.tellDelivered(), 100);
  }

  tellDelivered() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.chat.isConnected) return;
    for (const [from, message] of this.#got) {
      this.chat.socket.emit('delivered', { from, upTo: message._id });
      this.#delivered.set(from, message);
    }
    this.#got.clear();
  }

  /** The connection was away: what came meanwhile is new, also to who has it open. */
  wasAway() {
    this.#isLineDrawn = false;
    this.#delivered.clear(); // it may not have come through
  }

  /** Where "new" begins: fixed once, as soon as history and mark are both here. */
  drawLine(id) {
    const { chat } = this;
    const thread = chat.threads.get(id);
    if (id !== chat.openId || this.#isLineDrawn || !thread?.isLoaded || thread.isStale || !chat.known.has(id)) return;
    const { unread, readUpTo } = chat.inbox.conversation(id);
    const isFurtherUp = unread > 0 && thread.hasOlder && thread.messages.length < reachMost && !isWithin(thread.messages[0], readUpTo, thread.byId);
    if (isFurtherUp && (thread.isReading || chat.older())) return; // and then again
    this.#isLineDrawn = true;
    if (unread === 0) return;
    this.lineAt = this.#firstUnread(id, thread, readUpTo);
    if (this.lineAt && chat.conversation.log.isPinned) chat.conversation.log.startAt('line');
  }

  #firstUnread(id, thread, readUpTo) {
    return thread.messages.find((message) => message.senderId === id && !message.deletedAt && !isWithin(message, readUpTo, thread.byId))?._id ?? null;
  }

  /** What comes while nobody looks is new, too, and so is what is loaded from further up; a line above what was read meanwhile goes there. */
  moveLine(id, thread) {
    const { unread, readUpTo } = this.chat.inbox.conversation(id);
    if (!this.#isLineDrawn || this.chat.isSeen || unread === 0) return;
    this.lineAt = this.#firstUnread(id, thread, readUpTo);
  }

  tellRead() {
    const { chat } = this;
    const id = chat.openId;
    const thread = chat.threads.get(id);
    if (!thread?.isLoaded || !this.#isLineDrawn || !chat.isSeen) return;
    const last = thread.messages.findLast((message) => message.senderId === id);
    if (!last || this.#told.get(id) === last._id) return;
    const entry = chat.inbox.conversation(id);
    if (entry.unread === 0 && isWithin(last, entry.readUpTo, thread.byId)) return;
    this.#told.set(id, last._id);
    chat.inbox.read(id, last._id, 0, thread.byId);
    chat.again.try(`read ${id}`, async () => {
      const answer = await chat.session.attempt(() => api.markRead(id, last._id, chat.socket.id)).catch(isRefused);
      if (answer) chat.read(id, answer.upTo, answer.unread);
    });
  }

  close() { clearTimeout(this.#timer); }
}
