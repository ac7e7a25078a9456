// The usual peer: the chat back end of a MERN application as tutorials have it, over MongoDB.
//
//   PORT=3000 MONGO_DB_URI=mongodb://... USERS=64 node mern.mjs     prints "user ID TOKEN" for each, then "listening"
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import cookieParser from 'cookie-parser';
import express from 'express';
import jwt from 'jsonwebtoken';
import mongoose from 'mongoose';
import { Server } from 'socket.io';

const { PORT, MONGO_DB_URI, USERS = '64' } = process.env;
const secret = randomBytes(32).toString('hex');
const { Schema } = mongoose;
const timestamps = { timestamps: true };
const User = mongoose.model('User', new Schema({
  fullName: { type: String, required: true }, username: { type: String, required: true, unique: true },
  password: { type: String, required: true }, gender: { type: String, required: true }, profilePic: { type: String, default: '' },
}, timestamps));
const Message = mongoose.model('Message', new Schema({
  senderId: { type: Schema.Types.ObjectId, ref: 'User', required: true },
  receiverId: { type: Schema.Types.ObjectId, ref: 'User', required: true }, message: { type: String, required: true },
}, timestamps));
const Conversation = mongoose.model('Conversation', new Schema({
  participants: [{ type: Schema.Types.ObjectId, ref: 'User' }],
  messages: [{ type: Schema.Types.ObjectId, ref: 'Message', default: [] }],
}, timestamps));

const app = express();
const server = createServer(app);
const io = new Server(server);
const sockets = {}; // user id -> socket id
io.on('connection', (socket) => {
  const token = /(?:^|; )jwt=([^;]*)/.exec(socket.handshake.headers.cookie ?? '')?.[1];
  const { userId } = jwt.verify(token, secret);
  sockets[userId] = socket.id;
  io.emit('getOnlineUsers', Object.keys(sockets));
  socket.on('disconnect', () => { delete sockets[userId]; io.emit('getOnlineUsers', Object.keys(sockets)); });
});

async function protect(request, response, next) {
  try {
    const { userId } = jwt.verify(request.cookies.jwt, secret);
    request.user = await User.findById(userId).select('-password');
    if (!request.user) return response.status(404).json({ error: 'User not found' });
    return next();
  } catch {
    return response.status(401).json({ error: 'Unauthorized - Invalid Token' });
  }
}

app.use(express.json());
app.use(cookieParser());
app.get('/api/auth/me', protect, (request, response) => response.json(request.user));
app.post('/api/messages/send/:id', protect, async (request, response) => {
  const [senderId, receiverId] = [request.user._id, request.params.id];
  const participants = { $all: [senderId, receiverId] };
  const conversation = await Conversation.findOne({ participants }) ?? await Conversation.create({ participants: [senderId, receiverId] });
  const message = new Message({ senderId, receiverId, message: request.body.message });
  conversation.messages.push(message._id);
  // Two sends at once would each save the whole array: the tutorials' save() loses then, or fails by version.
  await Promise.all([Conversation.updateOne({ _id: conversation._id }, { $push: { messages: message._id } }), message.save()]);
  if (sockets[receiverId]) io.to(sockets[receiverId]).emit('newMessage', message);
  response.status(201).json(message);
});
app.get('/api/messages/:id', protect, async (request, response) => {
  const participants = { $all: [request.user._id, request.params.id] };
  const conversation = await Conversation.findOne({ participants }).populate({ path: 'messages', options: { limit: Number(request.query.limit ?? 1000) } });
  response.json(conversation?.messages ?? []);
});

await mongoose.connect(MONGO_DB_URI);
await Promise.all([User.init(), Message.init(), Conversation.init()]);
for (let i = 0; i < Number(USERS); i++) {
  const user = await User.create({ fullName: `User ${i}`, username: `user${i}`, password: 'x', gender: 'male' });
  console.log(`user ${user._id} ${jwt.sign({ userId: user._id }, secret, { expiresIn: '15d' })}`);
}
server.listen(Number(PORT), '127.0.0.1', () => console.log('listening'));
