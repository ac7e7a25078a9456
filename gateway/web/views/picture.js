// Makes the file of an avatar, in the browser: a square, small, without what a camera adds.
import { bytesMost, squareOf, tries } from '../core/picture.js';
import { t } from '../strings_dialogs.js';

const fileMost = 40 * 1024 * 1024; // bytes; more is not read at all

function draw(bitmap, side) {
  const { left, top, from, to } = squareOf(bitmap.width, bitmap.height, side);
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = to;
  const context = canvas.getContext('2d');
  context.fillStyle = '#fff'; // below what is transparent, for a JPEG is not
  context.fillRect(0, 0, to, to);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, left, top, from, from, 0, 0, to, to);
  return canvas;
}

/** A JPEG of a file that somebody chose. Rejects with an error that a person can read. */
export async function pictureOf(file) {
  if (file.size > fileMost) throw new Error(t.pictureBig);
  const bitmap = await createImageBitmap(file).catch(() => { throw new Error(t.pictureBroken); });
  try {
    for (const { side, quality } of tries) {
      const canvas = draw(bitmap, side);
      const blob = await new Promise((resolve) => { canvas.toBlob(resolve, 'image/jpeg', quality); });
      if (blob && blob.size <= bytesMost) return blob;
    }
  } finally {
    bitmap.close();
  }
  throw new Error(t.pictureBig);
}
