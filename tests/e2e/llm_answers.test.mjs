// What servers of language models really answer: thoughts and marks of templates, failures under
// a 200, odd JSON, streams that nobody asked for, parameters that they refuse.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { LlmServer, answer, say, stream } from '../support/llm_server.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const fallback = 'I\'m unavailable right now and will answer you as soon as I can.';
const lifted = { LIMIT_LLM_SENDER: '0', LIMIT_LLM_USER: '0' };
const llm = await LlmServer.start();
after(() => llm.stop());

const stackWith = (settings) => useStack({ before, after, afterEach }, { ...lifted, ...settings });
async function pair(stack) {
  const [ann, bob] = [await Person.signUp(stack.url, 'ann'), await Person.signUp(stack.url, 'bob')];
  assert.equal((await bob.setStatus('BUSY')).status, 200);
  return [ann, bob];
}
/** The text of the reply, and what the model was asked for it. */
async function ask([from, to], text = 'x') {
  const calls = llm.requests.length;
  const sent = await from.send(to, text);
  const reply = await waitUntil(`a reply to "${text}"`, async () =>
    (await from.history(to)).json.find((m) => m.autoReply?.inReplyTo === sent.json._id), { within: 10500 });
  return { reply: reply.message, kind: reply.autoReply.kind, asked: llm.requests.slice(calls) };
}
const completion = (text, choice = {}, root = {}) => ({ choices: [{ message: { content: text }, finish_reason: 'stop', ...choice }], ...root });
const delta = (content, finish_reason = null) => ({ choices: [{ index: 0, delta: { content }, finish_reason }] });

describe('of an answer', () => {
  const hold = stackWith({ LLM_API_URL: `${llm.url}/v1` });

  // (a) and (c), (e): each is read, and the answer alone goes out.
  for (const [what, behaviour, expected] of [
    ['harmony\'s thoughts stay behind', say('<|channel|>analysis<|message|>thoughts<|end|><|start|>assistant<|channel|>final<|message|>I am busy right now.'), 'I am busy right now.'],
    ['thoughts in other marks stay behind', say('\u25c1think\u25b7hm\u25c1/think\u25b7Later.'), 'Later.'],
    ['tokens of a template are left out', say('<|start_header_id|>assistant<|end_header_id|>\n\nLater.<|eot_id|>'), 'Later.'],
    ['what only looks like a mark stays', say('I <3 you, and 1 < 2 <b>!</b>'), 'I <3 you, and 1 < 2 <b>!</b>'],
    ['reasoning beside it is not shown', answer(200, { choices: [{ message: { content: 'Later.', reasoning_content: 'hm', reasoning: 'hm' } }] }), 'Later.'],
    ['numbers may be large', answer(200, `{"seed":13064022430614612000,${JSON.stringify(completion('Later.')).slice(1)}`), 'Later.'],
    ['a byte-order mark and NaN may stand beside it', answer(200, `\ufeff{"logprob":NaN,${JSON.stringify(completion('Later.')).slice(1)}`), 'Later.'],
    ['a half character may stand beside it', answer(200, `{"x":"\\ud83d\\u0000",${JSON.stringify(completion('Later.')).slice(1)}`), 'Later.'],
    ['[DONE] may stand behind it', answer(200, `${JSON.stringify(completion('Later.'))}\n\ndata: [DONE]\n\n`), 'Later.'],
    ['a stream is put together', stream(delta(''), delta('Lat'), delta('er.'), delta('', 'stop'), '[DONE]'), 'Later.'],
    ['lines of JSON are put together', answer(200, '{"message":{"content":"Lat"},"done":false}\n{"message":{"content":"er."},"done":true}\n'), 'Later.'],
  ]) {
    test(what, async () => {
      llm.script(behaviour);
      const { reply, kind, asked } = await ask(await pair(hold.stack));
      assert.deepEqual([reply, kind, asked.length], [expected, 'llm', 1]);
    });
  }

  // (a), (b), (e) and (g): none is an answer, none is asked for again, and none closes the model.
  test('nothing is sent where it is a call, failed or broke off, and the model goes on being asked', async () => {
    const people = await pair(hold.stack);
    for (const behaviour of [
      say('<tool_call>{"name":"f","arguments":{}}</tool_call>'), say('{"name":"f","arguments":{"city":"Bonn"}}'),
      say('<|channel|>analysis<|message|>only thoughts'), say('<thought>without an end'), say(''),
      answer(200, completion('Half a', { finish_reason: 'error' })), answer(200, completion('Half a', { error: { code: 502 } })),
      answer(200, completion('Half a', {}, { error: { message: 'upstream' } })), answer(200, completion('No.', { finish_reason: 'content_filter' })),
      stream(delta('Half a')), stream(delta('Half a'), { error: { message: 'upstream' } }, '[DONE]'),
      answer(200, '<html>'), answer(200, { ok: true }), answer(400, { error: { message: 'too long', param: 'messages' } }),
      answer(422, { detail: [{ loc: ['body', 'messages', 0], msg: 'no' }] }), answer(413, 'too large'),
      answer(200, `${JSON.stringify(completion('Too long.'))}${' '.repeat(256 * 1024)}`),
      answer(403, { error: { message: 'flagged', metadata: { reasons: ['violence'], flagged_input: 'x' } } }),
    ]) {
      llm.script(behaviour);
      const { reply, kind, asked } = await ask(people);
      assert.deepEqual([reply, kind, asked.length], [fallback, 'fallback', 1]);
    }
    assert.equal((await ask(people)).kind, 'llm');
  });
});

/** Refuses what a model of this kind does, and then answers. */
const picky = (...refused) => (request, response) => {
  const { body } = llm.requests.at(-1);
  const param = refused.find((name) => name in body);
  if (!param) return say('I think first.')(request, response);
  const advice = param === 'max_tokens' ? ' Use \'max_completion_tokens\' instead.' : '';
  return answer(400, { error: { message: `Unsupported parameter: '${param}' is not supported with this model.${advice}`, type: 'invalid_request_error', param, code: 'unsupported_parameter' } })(request, response);
};
const options = ({ body }) => Object.fromEntries(Object.entries(body).filter(([name]) => !['model', 'messages', 'stream'].includes(name)));

describe('a model that refuses parameters', () => {
  const hold = stackWith({ LLM_API_URL: `${llm.url}/v1beta/openai`, LLM_MAX_TOKENS: '4000', LLM_TEMPERATURE: '1' });

  test('is asked without them at once, and from then on', async () => {
    const { usual } = llm;
    llm.usual = picky('max_tokens', 'temperature');
    try {
      const people = await pair(hold.stack);
      const first = await ask(people);
      assert.deepEqual([first.reply, first.kind], ['I think first.', 'llm']);
      assert.deepEqual(first.asked.map(options), [
        { max_tokens: 4000, temperature: 1 }, { max_completion_tokens: 4000, temperature: 1 }, { max_completion_tokens: 4000 },
      ]);
      assert.deepEqual((await ask(people)).asked.map(options), [{ max_completion_tokens: 4000 }]);
      // (f)
      assert.equal(first.asked[0].path, '/v1beta/openai/chat/completions');
    } finally {
      llm.usual = usual;
    }
  });
});

describe('a model that refuses them for ever', () => {
  const hold = stackWith({ LLM_API_URL: `${llm.url}/openai/v1/?api-version=1`, LLM_DAILY_MAX: '6' });

  test('is asked at most four times for a reply, and each counts against the day\'s quota', async () => {
    const { usual } = llm;
    llm.usual = answer(400, { error: 'max_tokens, max_completion_tokens and temperature are unknown' });
    try {
      const people = await pair(hold.stack);
      const first = await ask(people);
      assert.equal(first.reply, fallback);
      assert.deepEqual(first.asked.map(options), [{ max_tokens: 80, temperature: 0.5 }, { max_completion_tokens: 80 }, {}]);
      assert.equal(first.asked[0].path, '/openai/v1/chat/completions?api-version=1');
      // Nothing was remembered, for nothing was answered; 3 of 6 are left.
      assert.equal((await ask(people)).asked.length, 3);
      assert.equal((await ask(people)).asked.length, 0);
    } finally {
      llm.usual = usual;
    }
  });
});

describe('with options that are set to nothing', () => {
  const hold = stackWith({ LLM_API_URL: llm.url, LLM_MAX_TOKENS: '', LLM_TEMPERATURE: '' });

  test('none is sent', async () => {
    const { kind, asked } = await ask(await pair(hold.stack));
    assert.equal(kind, 'llm');
    assert.deepEqual(asked.map(options), [{}]);
  });
});
