// Several processes of presence behind one gateway.
import { waitUntil } from './wait.mjs';

/** Both processes of presence serve, even if a test before ended them. */
export const bothServe = (stack) => waitUntil('both processes of presence to serve', async () => {
  const found = new Set();
  for (let i = 0; i < 10; i++) {
    const response = await fetch(`${stack.url}/socket.io/?EIO=4&transport=polling`);
    if (!response.ok) return false;
    found.add(JSON.parse((await response.text()).slice(1)).sid.slice(0, 3));
  }
  return found.size === 2;
}, { within: 20000 });

/** A signal to a service, parent and worker at once. */
export const signal = async (stack, name, what) => process.kill(-(await stack.pidOf(name)), what);

/** The process that holds a socket's session: "p1". */
export const processOf = (socket) => socket.io.engine?.id?.split('.')[0];
