// A language model that does as it is told, and remembers what it was asked. It speaks the form
// of whoever asks: chat completions, Ollama's chat, or text generation, by the path.
import http from 'node:http';
import { once } from 'node:events';

const answerFor = (path, text) => {
  if (path.includes('/models/')) return [{ generated_text: text }];
  if (path.endsWith('/api/chat')) return { message: { role: 'assistant', content: text }, done: true };
  return { choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }] };
};

/* Behaviours: what becomes of one request. Each may be given to script(). */
export const say = (text) => (request, response) => json(response, 200, answerFor(request.url, text));
export const answer = (status, body, headers) => (request, response) => json(response, status, body, headers);
/** An event stream of these values, a string as it stands. */
export const stream = (...values) => (request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const value of values) response.write(`data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`);
  response.end();
};
export const reset = () => (request) => { request.socket.resetAndDestroy(); };
/** Never a byte. */
export const silence = () => () => {};
/** A good head and the beginning of a body, then nothing. */
export const stall = () => (request, response) => { response.writeHead(200, { 'content-type': 'application/json' }).write('{"choices":['); };
/** A body that grows by a space a second, for ever. */
export const drip = () => (request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  const timer = setInterval(() => response.write(' '), 1000);
  response.once('close', () => clearInterval(timer));
};
/** A body without end, as fast as it is taken. */
export const flood = () => (request, response) => {
  const more = () => { while (!response.destroyed && response.write(' '.repeat(65536))); };
  response.writeHead(200, { 'content-type': 'application/json' }).on('drain', more).on('error', () => {});
  more();
};

function json(response, status, body, headers = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);
}

export class LlmServer {
  static async start() {
    const llm = new LlmServer();
    llm.requests = [];
    llm.queue = [];
    llm.usual = say('I am busy and will answer later.');
    llm.server = http.createServer((request, response) => llm.take(request, response));
    llm.server.listen(0, '127.0.0.1');
    await once(llm.server, 'listening');
    llm.url = `http://127.0.0.1:${llm.server.address().port}`;
    return llm;
  }

  /** The next requests get these, in turn; later ones the usual answer. */
  script(...behaviours) {
    this.queue.push(...behaviours);
  }

  async take(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    this.requests.push({ path: request.url, method: request.method, headers: request.headers, text, body: JSON.parse(text) });
    (this.queue.shift() ?? this.usual)(request, response);
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}
