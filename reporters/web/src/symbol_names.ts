/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shorter forms of a function's name for narrow frames. A demangled C++ name can fill the screen,
 * and what tells functions apart is rarely its parameters or template arguments.
 */

/* From the full name to the shortest form that still says which function it is. */
export function shorterNames(name: string): string[] {
  const rest = /^\(([0-9,]+) more: /.exec(name);
  if (rest) return [name, `(${rest[1]} more)`, `+${rest[1]}`, "\u2026"];
  const address = /^.+(\+0x[0-9a-f]+)$/.exec(name);
  if (address) return [name, address[1]];
  const names = [name];
  const add = (shorter: string) => {
    if (shorter && shorter.length < names[names.length - 1].length) names.push(shorter);
  };
  const plain = name.replace(/::h[0-9a-f]{16}$/, "").replace(/ \[clone [^\]]*\]/g, "");
  add(plain);
  const bare = dropBracketed(plain, "(", ")", "");
  add(bare);
  const short = dropBracketed(bare, "<", ">", "<\u2026>");
  add(short);
  const parts = splitScopes(short);
  /* "operator()" or a lambda alone says nothing: it keeps its class. */
  const last = /^(operator\W|\{|\()/.test(parts[parts.length - 1]) ? 2 : 1;
  for (let i = 1; i <= parts.length - last; i++) add(parts.slice(i).join("::"));
  return names;
}

const OPERATOR = /^operator(?:\(\)|\[\]|<=>|->\*?|<<=?|>>=?|<=|>=|<|>|[-+*/%^&|~!=,]+)/;
const ANONYMOUS = /^(?:\(anonymous namespace\)|\(anonymous class\)|\{lambda\([^{}]*\)#\d+\})/;

/* Replaces what is in brackets, but not the name's own ones: operators, lambdas. */
function dropBracketed(name: string, open: string, close: string, replacement: string): string {
  let result = "";
  let depth = 0;
  for (let i = 0; i < name.length;) {
    const rest = name.slice(i, i + 200);
    const fixed = OPERATOR.exec(rest) ?? ANONYMOUS.exec(rest);
    if (fixed) {
      if (depth === 0) result += fixed[0];
      i += fixed[0].length;
      continue;
    }
    const char = name[i++];
    if (char === open) {
      if (depth === 0) result += replacement;
      depth++;
    } else if (char === close && depth > 0 && name[i - 2] !== "-") {
      depth--;
      if (depth === 0 && replacement === "") result = result.trimEnd();
    } else if (depth === 0) {
      result += char;
    }
  }
  return depth === 0 ? result.replace(/ const$/, "") : name;
}

function splitScopes(name: string): string[] {
  const parts = [""];
  let depth = 0;
  for (let i = 0; i < name.length; i++) {
    if ("<({".includes(name[i])) depth++;
    if (">)}".includes(name[i])) depth--;
    if (depth === 0 && name.startsWith("::", i)) {
      parts.push("");
      i++;
      continue;
    }
    parts[parts.length - 1] += name[i];
  }
  return parts;
}

/* `length` characters of a text: its start and its end, or with little room the start alone. */
export function cutText(text: string, length: number): string {
  if (text.length <= length) return text;
  if (length < 3) return "";
  const front = length < 10 ? length - 1 : Math.ceil((length - 1) / 2);
  return `${text.slice(0, front)}\u2026${text.slice(text.length - (length - 1 - front))}`;
}
