/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames say where in a function a call was made; people think in functions. A group is what the
 * page shows as one function: all frames of one function, file and module, and, when lines are
 * to be told apart, of one line.
 */
import { InternTable } from "./intern_table.ts";
import { FrameFlag, type Profile } from "./profile.ts";

export interface Groups {
  count: number;
  ofFrame: Int32Array; /* frame -> group */
  firstFrame: Int32Array; /* a frame of the group */
  function: Int32Array; /* string numbers */
  file: Int32Array;
  module: Int32Array;
  line: Int32Array; /* 0: not known, or several */
  flags: Int32Array; /* FrameFlag; Inlined only if every frame is */
}

export function groupFrames(profile: Profile, splitLines: boolean): Groups {
  const { frames } = profile;
  const sources = new InternTable(frames.count);
  const functions = new InternTable(frames.count);
  const lines = new InternTable(frames.count);
  const groups: Groups = {
    count: 0,
    ofFrame: new Int32Array(frames.count),
    firstFrame: new Int32Array(frames.count),
    function: new Int32Array(frames.count),
    file: new Int32Array(frames.count),
    module: new Int32Array(frames.count),
    line: new Int32Array(frames.count),
    flags: new Int32Array(frames.count),
  };
  const special = FrameFlag.CutOff | FrameFlag.Folded;
  for (let i = 0; i < frames.count; i++) {
    const source = sources.find(frames.file[i], frames.module[i]);
    const named = functions.find(frames.function[i], source);
    const line = splitLines ? frames.line[i] : 0;
    const group = lines.find(named, line * 16 + (frames.flags[i] & special));
    groups.ofFrame[i] = group;
    if (group === groups.count) {
      groups.count++;
      groups.firstFrame[group] = i;
      groups.function[group] = frames.function[i];
      groups.file[group] = frames.file[i];
      groups.module[group] = frames.module[i];
      groups.line[group] = frames.line[i];
      groups.flags[group] = frames.flags[i];
      continue;
    }
    if (groups.line[group] !== frames.line[i]) groups.line[group] = 0;
    groups.flags[group] |= frames.flags[i] & ~FrameFlag.Inlined;
    if (!(frames.flags[i] & FrameFlag.Inlined)) groups.flags[group] &= ~FrameFlag.Inlined;
  }
  return groups;
}

export function groupName(profile: Profile, groups: Groups, group: number): string {
  const name = profile.strings[groups.function[group]];
  if (name) return name;
  const flags = groups.flags[group];
  if (flags & FrameFlag.Folded) return "(folded away)";
  if (flags & FrameFlag.CutOff) return "(frames cut off)";
  return `(no symbol) ${baseName(profile.strings[groups.module[group]])}`;
}

/* "dir/file.c:12", "dir/file.c" or "" */
export function groupLocation(profile: Profile, groups: Groups, group: number): string {
  const file = profile.strings[groups.file[group]];
  const line = groups.line[group];
  return file && line ? `${file}:${line}` : file;
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1) || "(unknown)";
}

/* A shared object that is not the program itself, as far as a name can tell. */
export function isLibrary(module: string): boolean {
  return /\.so(\.|$)|^\[?(vdso|linux-vdso)/.test(baseName(module));
}
