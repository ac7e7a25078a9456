// A violation as a person needs it: which message, when, what its socket saw, what was done around it.
const AROUND_MS = 12000;
const SHOWN_MAX = 5;

export function describeRun({ start, faults, violations, sockets, sends }) {
  const at = (time) => (time === null ? 'the end' : `${((time - start) / 1000).toFixed(3)} s`);
  const aboutMessage = (message) => [
    `message ${message._id}${message.createdAt ? `, stored at ${at(Date.parse(message.createdAt))}` : ''}`
      + `${message.autoReply ? `, the ${message.autoReply.kind} reply to ${message.autoReply.inReplyTo}` : `, "${message.message}"`}`,
  ];
  const aboutSend = (send) => send.attempts.map((a) =>
    `attempt ${at(a.at)} to ${at(a.until ?? null)}: ${a.status ?? ''} ${a.error ?? ''}`.trimEnd());
  const aboutSocket = (socket) => socket.connections.map((c) =>
    `${socket.name}: ${c.recovered ? 'recovered' : 'new'} ${at(c.from)} to ${at(c.to)}${c.reason ? ` (${c.reason})` : ''}, ${c.messages.length} messages`);
  const aboutFaults = (time) => faults.filter((f) => Math.abs(f.at - time) < AROUND_MS)
    .map((f) => `fault ${at(f.at)}: ${f.name}${f.lasts_ms ? ` for ${f.lasts_ms} ms` : ''}`);

  const one = (v) => {
    const { message, socket } = v;
    const send = v.send ?? sends.find(({ acked }) => message && acked?._id === message._id);
    const time = v.at ?? (message?.createdAt ? Date.parse(message.createdAt) : send?.attempts[0].at);
    return [
      `${v.rule}: ${v.text}${v.at ? ` at ${at(v.at)}` : ''}`,
      ...[...(message ? aboutMessage(message) : []), ...(send ? aboutSend(send) : []), ...(socket ? aboutSocket(socket) : []),
        ...(time ? aboutFaults(time) : [])].map((line) => `    ${line}`),
    ];
  };

  const lines = violations.slice(0, SHOWN_MAX).flatMap(one);
  if (violations.length > SHOWN_MAX) lines.push(`... and ${violations.length - SHOWN_MAX} more`);
  return lines.join('\n');
}
