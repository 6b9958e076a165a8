/**
 * The binary messages of the speak API, and the WAV headers in them.
 *
 * A message is `JSON`, a length, metadata of that length, audio:
 *
 *     bytes 0…3     ASCII `JSON`
 *     bytes 4…7     length L of the metadata, unsigned, little-endian
 *     bytes 8…8+L   {"take_id": …, "part_id": …, "chunk_id": …, "request_id": …} in UTF-8; `chunk_id` only in chunks
 *     the rest      audio; nothing ends a part or the whole
 *
 * @module
 */

const HEAD_BYTES = 8;
const UNKNOWN_BYTES = 0xffffffff; // what a header says of audio that is still being made
const text = new TextDecoder();

/** The server sent what breaks the protocol. */
export class BrokenReply extends Error {
  name = "BrokenReply";
}

/**
 * One binary message.
 *
 * @typedef {object} Frame
 * @property {string} requestId as text, whatever kind of JSON it came as
 * @property {string} takeId
 * @property {number} partId from 0
 * @property {number | null} chunkId from 0 in each part; null where whole parts are sent
 * @property {Uint8Array} audio
 */

/**
 * @param {ArrayBuffer} message
 * @returns {Frame}
 * @throws {BrokenReply}
 */
export function unpack(message) {
  if (message.byteLength < HEAD_BYTES || text.decode(message.slice(0, 4)) !== "JSON") {
    throw new BrokenReply(`a binary message of ${message.byteLength} bytes is none of this protocol`);
  }
  const start = HEAD_BYTES + new DataView(message).getUint32(4, true);
  let metadata = null;
  try {
    metadata = JSON.parse(text.decode(message.slice(HEAD_BYTES, start)));
  } catch {
    // told below
  }
  const { request_id: requestId, part_id: partId, chunk_id: chunkId = null, take_id: takeId } = metadata ?? {};
  if (start > message.byteLength || requestId == null || !Number.isInteger(partId)) {
    throw new BrokenReply("the metadata of a binary message lack what they should have");
  }
  return { requestId: String(requestId), takeId: takeId ?? "", partId, chunkId, audio: new Uint8Array(message, start) };
}

/**
 * What the header of a WAV file says.
 *
 * @typedef {object} WavHeader
 * @property {number} sampleRate Hz
 * @property {number} channels
 * @property {number} sampleBytes of one sample of one channel: 2 for 16 bit
 * @property {number} dataStart bytes before the first sample
 * @property {number | null} dataBytes bytes of all samples; null if the header does not know
 */

/**
 * @param {Uint8Array} audio the beginning of a file
 * @returns {WavHeader}
 * @throws {BrokenReply} no RIFF WAVE of PCM, or cut off before its samples
 */
export function parseHeader(audio) {
  const view = new DataView(audio.buffer, audio.byteOffset, audio.byteLength);
  const name = (at) => text.decode(audio.subarray(at, at + 4));
  if (audio.byteLength < 12 || name(0) !== "RIFF" || name(8) !== "WAVE") throw new BrokenReply("audio is no RIFF WAVE");
  let layout = null;
  for (let at = 12; at + 8 <= audio.byteLength; ) {
    const size = view.getUint32(at + 4, true);
    if (name(at) === "data" && layout) {
      const isUnknown = size === UNKNOWN_BYTES || (size === 0 && [0, UNKNOWN_BYTES].includes(view.getUint32(4, true)));
      return { ...layout, dataStart: at + 8, dataBytes: isUnknown ? null : size };
    }
    if (name(at) === "fmt " && at + 24 <= audio.byteLength) layout = parseLayout(view, at + 8);
    at += 8 + size + (size % 2); // chunks begin at even offsets
  }
  throw new BrokenReply("audio ends before its samples begin");
}

function parseLayout(view, at) {
  const layout = {
    sampleRate: view.getUint32(at + 4, true),
    channels: view.getUint16(at + 2, true),
    sampleBytes: view.getUint16(at + 14, true) / 8,
  };
  if (!layout.sampleRate || !layout.channels || !Number.isInteger(layout.sampleBytes) || !layout.sampleBytes) {
    throw new BrokenReply("audio has no layout that can sound");
  }
  return layout;
}
