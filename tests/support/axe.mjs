// Is a page for everybody? axe-core, in each look, and how large what one touches is.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const looks = [{ colorScheme: 'light' }, { colorScheme: 'dark' }, { colorScheme: 'light', forcedColors: 'active' }];

/** axe-core, in each look; the page's policy takes no script of ours, but the debugger may. */
export async function check(page, state) {
  const cdp = await page.context().newCDPSession(page);
  const run = (expression) => cdp.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
  await run(axe);
  for (const look of looks) {
    await page.emulateMedia({ reducedMotion: 'reduce', ...look, forcedColors: look.forcedColors ?? 'none' });
    // Colours that are forced are not the page's: a contrast of them is the system's.
    const rules = look.forcedColors ? '{ "color-contrast": { enabled: false } }' : '{}';
    const { result, exceptionDetails } = await run(`axe.run(document, { rules: ${rules} }).then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map((node) => node.html.slice(0, 120) + ' ' + (node.any[0]?.message ?? '')).join(' | ')))`);
    assert.ok(!exceptionDetails, JSON.stringify(exceptionDetails));
    assert.deepEqual(result.value, [], `${state}, ${JSON.stringify(look)}`);
  }
  await cdp.detach();
}

/** What is smaller than a finger: 44 pixels high and wide. */
export const small = (page) => page.locator('button:visible, input:visible, textarea:visible, summary:visible, a.button:visible, [role=switch]:visible').evaluateAll((elements) => elements
  .map((element) => [element.closest('label') ?? element, element])
  .map(([target, element]) => [element.outerHTML.slice(0, 90), target.getBoundingClientRect()])
  .filter(([, { width, height }]) => width < 44 || height < 44).map(([html, { width, height }]) => `${html} ${width}×${height}`));
