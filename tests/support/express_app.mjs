// The data side of the MERN chat application that Parley replaces: its schemas, as mongoose has
// them, and how it hashes passwords.
import bcrypt from 'bcryptjs';
import mongoose from 'mongoose';

const { Schema } = mongoose;
export const { ObjectId } = mongoose.Types;

const users = {
  fullName: { type: String, required: true },
  username: { type: String, required: true, unique: true },
  password: { type: String, required: true, minlength: 6 },
  gender: { type: String, required: true, enum: ['male', 'female'] },
  profilePic: { type: String, default: '' },
  email: String,
};
const messages = {
  senderId: { type: Schema.Types.ObjectId, ref: 'User', required: true },
  receiverId: { type: Schema.Types.ObjectId, ref: 'User', required: true },
  message: { type: String, required: true },
};
const conversations = {
  participants: [{ type: Schema.Types.ObjectId, ref: 'User' }],
  messages: [{ type: Schema.Types.ObjectId, ref: 'Message', default: [] }],
};

export class ExpressApp {
  /** Its models over the database at `uri`; `strict` as mongoose has it: true, or 'throw'. */
  static async connect(uri, { strict = true } = {}) {
    const app = new ExpressApp();
    const options = { timestamps: true, strict };
    app.connection = await mongoose.createConnection(uri).asPromise();
    app.User = app.connection.model('User', new Schema(users, options));
    app.Message = app.connection.model('Message', new Schema(messages, options));
    app.Conversation = app.connection.model('Conversation', new Schema(conversations, options));
    await Promise.all([app.User.init(), app.Message.init(), app.Conversation.init()]);
    return app;
  }

  close() { return this.connection.close(); }

  async signUp({ password, ...fields }) {
    const hash = await bcrypt.hash(password, await bcrypt.genSalt(10));
    return this.User.create({ fullName: `${fields.username} Test`, gender: 'male', ...fields, password: hash });
  }

  async send(sender, receiver, text) {
    const pair = { participants: { $all: [sender._id, receiver._id] } };
    const conversation = await this.Conversation.findOne(pair) ??
      await this.Conversation.create({ participants: [sender._id, receiver._id] });
    const message = new this.Message({ senderId: sender._id, receiverId: receiver._id, message: text });
    conversation.messages.push(message._id);
    await Promise.all([conversation.save(), message.save()]);
    return message;
  }
}

/** What the app's routes would answer: its documents as JSON. */
export const asJson = (documents) => JSON.parse(JSON.stringify(documents));
