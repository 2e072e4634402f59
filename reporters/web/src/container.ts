/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The container of a page's data: base64 of a gzip stream of a JSON header and packed columns, as
 * docs/page_data.md says. This file knows bytes; profile.ts knows what the columns mean.
 */

export interface ColumnEntry {
  name: string;
  count: number;
  encoding: "varint" | "delta";
}

export interface Container<Header> {
  header: Header;
  columns: Map<string, Float64Array>;
}

const FORMAT = 1;

export class DataError extends Error {}

export async function readContainer<Header>(base64: string): Promise<Container<Header>> {
  const bytes = await gunzip(bytesFromBase64(base64));
  return decodeContainer(bytes);
}

function bytesFromBase64(base64: string): Uint8Array<ArrayBuffer> {
  const modern = Uint8Array as unknown as { fromBase64?: (s: string) => Uint8Array<ArrayBuffer> };
  try {
    if (modern.fromBase64) return modern.fromBase64(base64);
    const binary = atob(base64);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  } catch {
    throw new DataError("the data is not base64; the file was changed or cut");
  }
}

async function gunzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  if (typeof DecompressionStream === "undefined")
    throw new DataError(
      "this browser has no DecompressionStream; Chrome 80, Firefox 113, Safari 16.4 and later have",
    );
  try {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    throw new DataError("the data cannot be unpacked; the file was changed or cut");
  }
}

export function decodeContainer<Header>(bytes: Uint8Array): Container<Header> {
  if (bytes.length < 4) throw new DataError("the data is too short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = view.getUint32(0, true);
  if (4 + headerLength > bytes.length) throw new DataError("the data is too short for its header");
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + headerLength)));
  if (header.format !== FORMAT)
    throw new DataError(`the data is of format ${header.format}, the page reads ${FORMAT}`);

  const columns = new Map<string, Float64Array>();
  let offset = 4 + headerLength;
  for (const entry of header.columns as ColumnEntry[]) {
    if (entry.count > bytes.length - offset)
      throw new DataError(`the data ends before column ${entry.name}`);
    const values = new Float64Array(entry.count);
    offset = decodeVarints(bytes, offset, values, entry.name);
    if (entry.encoding === "delta") undoDeltas(values);
    columns.set(entry.name, values);
  }
  return { header, columns };
}

/* Fills `values` from unsigned LEB128 numbers at `offset`; returns the offset after the last. */
function decodeVarints(bytes: Uint8Array, offset: number, values: Float64Array, name: string) {
  for (let i = 0; i < values.length; i++) {
    let byte = bytes[offset++];
    if (byte < 0x80) {
      values[i] = byte;
      continue;
    }
    let value = byte & 0x7f;
    let scale = 0x80;
    do {
      byte = bytes[offset++];
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
    } while (byte >= 0x80);
    values[i] = value;
  }
  if (offset > bytes.length) throw new DataError(`the data ends within column ${name}`);
  return offset;
}

function undoDeltas(values: Float64Array) {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const zigzag = values[i];
    sum += zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
    values[i] = sum;
  }
}
