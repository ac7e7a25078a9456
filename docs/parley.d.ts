/**
 * The events of Parley's sockets, for the stock socket.io-client:
 *
 *   import { io, type Socket } from 'socket.io-client';
 *   import type { ClientToServerEvents, ServerToClientEvents } from './parley';
 *   const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io({ auth: { presence: 'watch' } });
 *
 * docs/events.md says when each is sent, and to whom. What the routes take and give stands in
 * GET /api/openapi.json; the shapes that both share are the same here.
 */

/** 24 lower-case hexadecimal digits: a MongoDB ObjectId. */
export type Id = string;
/** `2026-01-31T12:34:56.789Z`: UTC, with milliseconds. */
export type Time = string;
export type Status = 'AVAILABLE' | 'BUSY';

export interface User {
  _id: Id;
  fullName: string;
  username: string;
  /** A URL, or a path of this server: `/api/users/avatar/<id>?v=<hash>`. */
  profilePic: string;
  status: Status;
}

export interface Message {
  _id: Id;
  senderId: Id;
  receiverId: Id;
  /** As it was sent, untrimmed; empty if it was deleted. */
  message: string;
  createdAt: Time;
  updatedAt: Time;
  __v: 0;
  /** The server wrote it in the name of a user who is BUSY. */
  autoReply?: { kind: 'llm' | 'fallback'; inReplyTo: Id };
  editedAt?: Time;
  deletedAt?: Time;
}

export interface Conversation {
  user: User & { statusNote?: string };
  lastMessage: Message | null;
  /** What the other wrote after `readUpTo`; 100: as many, or more. */
  unread: number;
  readUpTo: Id | null;
  theirReadUpTo: Id | null;
  theirDeliveredUpTo: Id | null;
}

export interface Presence {
  userId: Id;
  online: boolean;
  status: Status;
  statusNote?: string;
}

/** What every refusal looks like, of a route and of an event. */
export interface Refusal {
  /** For people. */
  error: string;
  /** For programs: docs/events.md lists them. */
  code: string;
}

/** `auth` of CONNECT: `io({ auth })`. */
export interface Auth {
  /** The session, where neither the cookie nor the `Authorization` header carries it. */
  token?: string;
  /** Of whom one hears that they come and go; without it of all, as a list. */
  presence?: 'delta' | 'watch';
  /** Hear what one's own other sockets and devices send. */
  messageSent?: true;
}

/** `error.data` of `connect_error`, when the server has refused the socket. */
export interface ConnectRefusal {
  code: 'NO_TOKEN' | 'BAD_TOKEN' | 'EXPIRED' | 'AMBIGUOUS_SESSION';
}

export interface ServerToClientEvents {
  /** Everybody who is online; not with `presence: 'watch'`, and with `'delta'` only once. */
  getOnlineUsers(ids: Id[]): void;
  newMessage(message: Message): void;
  /** With `messageSent: true`. */
  messageSent(message: Message): void;
  messageUpdated(event: { message: Message }): void;
  messageDeleted(event: { message: Message }): void;
  /** Somebody with whom one wrote is gone: nothing that they wrote is to be shown any more. */
  userDeleted(event: { userId: Id }): void;
  /** The other has read what one wrote to them, up to this message. */
  messagesRead(event: { userId: Id; upTo: Id; at: Time }): void;
  messagesDelivered(event: { userId: Id; upTo: Id; at: Time }): void;
  /** One has read it oneself, on another socket. */
  conversationRead(event: { userId: Id; upTo: Id; unread: number }): void;
  statusChanged(event: { userId: Id; status: Status; note: string }): void;
  /** `auto`: the language model composes. */
  typing(event: { from: Id; isTyping: boolean; auto?: true }): void;
  /** With `presence: 'delta'` without `statusNote`; with `'watch'` of those that one watches. */
  presence(event: Presence): void;
  /** With `presence: 'watch'`: a user whom one watches changed their profile. */
  userUpdated(event: { user: User }): void;
}

export interface ClientToServerEvents {
  /** As POST /api/messages/send/:id; `key` is its Idempotency-Key. */
  sendMessage(
    event: { to: Id; message: string; key?: string },
    acknowledge?: (answer: { message: Message } | (Refusal & { retryAfter?: number })) => void,
  ): void;
  typing(event: { to: Id; isTyping: boolean }, acknowledge?: (refusal?: Refusal) => void): void;
  /** This client has all that `from` wrote, up to this message. */
  delivered(event: { from: Id; upTo: Id }, acknowledge?: (refusal?: Refusal) => void): void;
  /** At most 500, in place of those of the last one. */
  watch(event: { users: Id[] }, acknowledge?: (answer: Presence[] | Refusal) => void): void;
}
