// How a picture is made small enough to be an avatar.

export const sideMost = 1024; // pixels
export const bytesMost = 256 * 1024;

/** What is tried, one after the other, until the file is small enough: {side, quality}. */
export const tries = [
  { side: 512, quality: 0.9 }, { side: 512, quality: 0.8 }, { side: 384, quality: 0.75 }, { side: 256, quality: 0.7 }, { side: 128, quality: 0.6 },
];

/** The square in the middle of a picture, and how large it is drawn: never larger than it is. */
export function squareOf(width, height, side) {
  const from = Math.min(width, height);
  return { left: Math.floor((width - from) / 2), top: Math.floor((height - from) / 2), from, to: Math.max(1, Math.min(side, sideMost, from)) };
}
