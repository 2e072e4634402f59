/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs in the head: the page must not flash in the wrong colours. */
import { applyTheme } from "./theme.ts";

applyTheme();
