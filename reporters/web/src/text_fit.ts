/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which form of a name fits a width. Asking the canvas for the width of every text on every
 * picture costs more than drawing, so the width of each character is measured once and summed;
 * kerning makes that slightly too wide, never too narrow by much.
 */
import { cutText, shorterNames } from "./symbol_names.ts";

const ASCII_LIMIT = 128;

export class TextFit {
  private readonly ascii = new Float64Array(ASCII_LIMIT);
  private readonly others = new Map<string, number>();
  private readonly forms = new Map<string, { text: string; width: number }[]>();
  private readonly average: number;

  constructor(private readonly context: CanvasRenderingContext2D) {
    for (let code = 32; code < ASCII_LIMIT; code++)
      this.ascii[code] = context.measureText(String.fromCharCode(code)).width;
    this.average = context.measureText("abcdefghijklmnopqrstuvwxyz").width / 26;
  }

  width(text: string): number {
    let width = 0;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      width += code < ASCII_LIMIT ? this.ascii[code] : this.otherWidth(text[i]);
    }
    return width;
  }

  private otherWidth(char: string): number {
    let width = this.others.get(char);
    if (width === undefined) {
      width = this.context.measureText(char).width;
      this.others.set(char, width);
    }
    return width;
  }

  /* "": not even a few characters fit. */
  fit(name: string, available: number): string {
    const forms = this.formsOf(name);
    for (const form of forms) if (form.width <= available) return form.text;
    const shortest = forms[forms.length - 1].text;
    let length = Math.floor(available / this.average) + 1;
    let text = cutText(shortest, length);
    while (text && this.width(text) > available) text = cutText(shortest, --length);
    return text;
  }

  private formsOf(name: string) {
    let forms = this.forms.get(name);
    if (!forms) {
      forms = shorterNames(name).map((text) => ({ text, width: this.width(text) }));
      this.forms.set(name, forms);
    }
    return forms;
  }
}
