/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A button that opens a small box; Escape, or a click elsewhere, closes it. */
import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "./icons.tsx";

interface MenuProps {
  id: string;
  label: string;
  icon: "filter" | "export";
  badge?: number;
  alignRight?: boolean;
  closeRef?: RefObject<() => void>;
  children: ComponentChildren;
}

export function Menu({ id, label, icon, badge, alignRight, closeRef, children }: MenuProps) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  if (closeRef) closeRef.current = () => setOpen(false);

  useEffect(() => {
    if (!open) return;
    const outside = (event: Event) => {
      if (!root.current!.contains(event.target as Node)) setOpen(false);
    };
    const escape = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      setOpen(false);
      button.current!.focus();
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("keydown", escape, true);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("keydown", escape, true);
    };
  }, [open]);

  return (
    <div class="menu" ref={root}>
      <button
        ref={button}
        class="toggle"
        id={`${id}-button`}
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
      >
        <Icon name={icon} />
        <span class="menu-label">{label}</span>
        {badge ? <span class="badge">{badge}</span> : null}
      </button>
      {open && (
        <div id={id} class={`menu-box${alignRight ? " menu-right" : ""}`}>
          {children}
        </div>
      )}
    </div>
  );
}
