/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers and names as the page writes them, and the address's state. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadSource } from "./support/source.mjs";

const source = await loadSource(
  "format",
  "symbol_names",
  "state",
  "search",
  "groups",
  "colors",
);

test("bytes are in binary units with three digits", () => {
  const { formatBytes } = source;
  assert.equal(formatBytes(0), "0 B");
  assert.equal(formatBytes(1023), "1023 B");
  assert.equal(formatBytes(1024), "1.00 KiB");
  assert.equal(formatBytes(1536), "1.50 KiB");
  assert.equal(formatBytes(1024 * 1024 - 1), "1.00 MiB");
  assert.equal(formatBytes(34.56 * 2 ** 20), "34.6 MiB");
  assert.equal(formatBytes(345.6 * 2 ** 20), "346 MiB");
  assert.equal(formatBytes(5 * 2 ** 40), "5.00 TiB");
  assert.equal(formatBytes(-2048), "\u22122.00 KiB");
});

test("exact figures, counts and changes", () => {
  assert.equal(source.formatExact(1234567, "bytes"), "1,234,567 bytes");
  assert.equal(source.formatExact(1234567, "count"), "1,234,567");
  assert.equal(source.formatChange(2048, "bytes"), "+2.00 KiB");
  assert.equal(source.formatChange(-3, "count"), "\u22123");
  assert.equal(source.formatChange(0, "count"), "\u00b10");
  assert.equal(source.formatExactChange(-4096, "bytes"), "\u22124,096 bytes");
});

test("percentages", () => {
  assert.equal(source.formatPercent(1, 3), "33.3 %");
  assert.equal(source.formatPercent(3, 3), "100 %");
  assert.equal(source.formatPercent(1, 200), "0.50 %");
  assert.equal(source.formatPercent(1, 1e6), "< 0.01 %");
  assert.equal(source.formatPercent(0, 0), "0 %");
  assert.equal(source.formatRelativeChange(3, 2), "+50 %");
  assert.equal(source.formatRelativeChange(98, 100), "\u22122.0 %");
  assert.equal(source.formatRelativeChange(3, 2e-3), "\u00d71,500");
  assert.equal(source.formatRelativeChange(3, 0), "new");
  assert.equal(source.formatRelativeChange(0, 3), "gone");
  assert.equal(source.formatRelativeChange(2, 2), "unchanged");
});

test("times", () => {
  assert.equal(source.formatSeconds(0.0123), "12 ms");
  assert.equal(source.formatSeconds(1.5), "1.50 s");
  assert.equal(source.formatSeconds(12.54), "12.5 s");
  assert.equal(source.formatSeconds(61), "1 min 1 s");
  assert.equal(source.formatSeconds(119.97), "2 min");
  assert.equal(source.formatSeconds(64.25), "1 min 4.3 s");
  assert.equal(source.formatSeconds(7260), "2 h 1 min");
});

test("sizes as people type them", () => {
  const { parseSize } = source;
  assert.equal(parseSize("64k", 0, "bytes"), 65536);
  assert.equal(parseSize("1.5 MiB", 0, "bytes"), 1.5 * 2 ** 20);
  assert.equal(parseSize("10k", 0, "count"), 10000);
  assert.equal(parseSize("300", 0, "bytes"), 300);
  assert.equal(parseSize("0.5%", 2000, "bytes"), 10);
  assert.equal(parseSize("", 0, "bytes"), 0);
  for (const wrong of ["x", "12 parsecs", "-3", "5%b"])
    assert.equal(parseSize(wrong, 0, "bytes"), null, wrong);
});

test("C++ names lose parameters, then template arguments, then scopes", () => {
  const { shorterNames } = source;
  assert.deepEqual(
    shorterNames(
      "std::vector<int, std::allocator<int> >::push_back(int const&)",
    ),
    [
      "std::vector<int, std::allocator<int> >::push_back(int const&)",
      "std::vector<int, std::allocator<int> >::push_back",
      "std::vector<\u2026>::push_back",
      "vector<\u2026>::push_back",
      "push_back",
    ],
  );
  assert.deepEqual(shorterNames("plain"), ["plain"]);
  assert.deepEqual(shorterNames("server+0x1f3a"), ["server+0x1f3a", "+0x1f3a"]);
  assert.deepEqual(
    shorterNames("ns::operator<<(std::ostream&, T<int> const&)"),
    ["ns::operator<<(std::ostream&, T<int> const&)", "ns::operator<<"],
  );
  assert.deepEqual(shorterNames("Functor::operator()(int) const"), [
    "Functor::operator()(int) const",
    "Functor::operator()",
  ]);
  assert.equal(
    shorterNames("a::(anonymous namespace)::f(int)")[1],
    "a::(anonymous namespace)::f",
  );
  assert.equal(
    shorterNames("core::ptr::drop::h0123456789abcdef")[1],
    "core::ptr::drop",
  );
  assert.equal(shorterNames("broken<name")[0], "broken<name");
  assert.equal(shorterNames("f [clone .cold]")[1], "f");
});

test("texts are cut in the middle, short ones at the end", () => {
  assert.equal(source.cutText("abcdefghijklmnop", 11), "abcde\u2026lmnop");
  assert.equal(source.cutText("abcdefghijklmnop", 5), "abcd\u2026");
  assert.equal(source.cutText("abcdefghijklmnop", 2), "");
  assert.equal(source.cutText("abc", 5), "abc");
});

test("libraries are told by their names", () => {
  for (const name of ["/lib/libc.so.6", "libx.so", "[vdso]", "linux-vdso.so.1"])
    assert.equal(source.isLibrary(name), true, name);
  for (const name of ["/usr/bin/server", "/opt/my.source/tool", ""])
    assert.equal(source.isLibrary(name), false, name);
});

test("a state goes into the address and comes back", () => {
  const { DEFAULT_STATE, stateToHash, stateFromHash } = source;
  assert.equal(stateToHash(DEFAULT_STATE), "");
  const state = {
    ...DEFAULT_STATE,
    view: "callers",
    cost: "leaked",
    leakKind: 2,
    zoom: "12.3",
    search: "a+b & c=d #",
    thread: 4,
    minimum: "0.5%",
    hideLibraries: true,
    hiddenModules: [3, 17],
    compare: false,
    time: { first: 3, last: 9 },
  };
  assert.deepEqual(stateFromHash(`#${stateToHash(state)}`), state);
});

test("an address that makes no sense gives the default", () => {
  const { DEFAULT_STATE, stateFromHash } = source;
  const nonsense =
    "#view=sideways&cost=none&thread=x&time=9-3&hideLibraries=maybe&leakKind=1e9&unknown=1";
  assert.deepEqual(stateFromHash(nonsense), DEFAULT_STATE);
});

test("search expressions: case, fields, errors", () => {
  const { parsePattern } = source;
  assert.equal(parsePattern("main").expression.test("MAIN"), true);
  assert.equal(parsePattern("Main").expression.test("main"), false);
  assert.equal(parsePattern("file:a\\.c").field, "file");
  assert.equal(parsePattern("module:libc").field, "module");
  assert.equal(parsePattern("").expression, null);
  assert.equal(parsePattern("a\\_b").expression.test("a_b"), true);
  for (const wrong of ["(", "[a", "*", "a{2,1}"]) {
    const pattern = parsePattern(wrong);
    assert.equal(pattern.expression, null);
    assert.notEqual(pattern.error, "", wrong);
    assert.doesNotMatch(pattern.error, /^Invalid regular expression: \//);
  }
});

function luminance(hex) {
  const [r, g, b] = [1, 3, 5]
    .map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((part) =>
      part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4,
    );
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a, b) {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

test("text is readable on every colour of frames, at 4.5 : 1", () => {
  const count = 400;
  const strings = [
    "",
    ...Array.from({ length: 30 }, (_, i) =>
      i < 8 ? `prog${i}` : `lib${i}.so`,
    ),
  ];
  const groups = {
    count,
    function: Int32Array.from({ length: count }, (_, i) => i),
    module: Int32Array.from({ length: count }, (_, i) => i % strings.length),
    flags: Int32Array.from({ length: count }, (_, i) => (i % 50 === 0 ? 8 : 0)),
  };
  for (const theme of ["light", "dark"]) {
    const fills = [
      ...source.frameColors({ strings }, groups, theme),
      source.matchColor(theme),
      source.quietColor(theme),
      source.restColor(theme),
    ];
    for (let base = 0; base <= 20; base++)
      for (let now = 0; now <= 20; now++)
        fills.push(source.changeColor(now, base, theme));
    for (const fill of fills) {
      assert.match(fill, /^#[0-9a-f]{6}$/);
      for (const ink of [source.INK[theme].text, source.INK[theme].faint])
        assert.ok(
          contrast(fill, ink) >= 4.5,
          `${theme}: ${ink} on ${fill}: ${contrast(fill, ink)}`,
        );
    }
  }
});

test("more is orange and less is blue, apart for the colour-blind too", () => {
  const blue = (hex) =>
    parseInt(hex.slice(5, 7), 16) - parseInt(hex.slice(1, 3), 16);
  for (const theme of ["light", "dark"]) {
    assert.ok(blue(source.changeColor(10, 1, theme)) < -40);
    assert.ok(blue(source.changeColor(1, 10, theme)) > 40);
    assert.ok(Math.abs(blue(source.changeColor(5, 5, theme))) < 12);
  }
});
