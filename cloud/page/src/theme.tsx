/** Light or dark as the system says, or as was chosen here. */
import { useState } from "preact/hooks";
import type { IconName } from "./icons.tsx";
import { Icon } from "./icons.tsx";
import { keep, kept } from "./system-browser.ts";

const themes = ["auto", "light", "dark"] as const;
type Theme = (typeof themes)[number];

const listeners = new Set<() => void>();

/** Tells who draws with colours of its own. */
export function onTheme(listener: () => void): () => void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  listeners.add(listener);
  system.addEventListener("change", listener);
  return () => {
    listeners.delete(listener);
    system.removeEventListener("change", listener);
  };
}

function keptTheme(): Theme {
  const own = kept("theme");
  return themes.find((theme) => theme === own) ?? "auto";
}

export function applyTheme(theme: Theme = keptTheme()): void {
  const { dataset } = document.documentElement;
  if (theme === "auto") delete dataset["theme"];
  else dataset["theme"] = theme;
  for (const listener of listeners) listener();
}

const names: Readonly<Record<Theme, string>> = {
  auto: "as the system",
  light: "light",
  dark: "dark",
};

export function ThemeSwitch() {
  const [theme, setTheme] = useState(keptTheme);
  const next = themes[(themes.indexOf(theme) + 1) % themes.length] ?? "auto";
  const icon: IconName = theme;
  return (
    <button
      type="button"
      class="quiet"
      aria-label={`Colours: ${names[theme]}. Change to ${names[next]}`}
      title={`Colours: ${names[theme]}`}
      onClick={() => {
        keep("theme", next === "auto" ? undefined : next);
        applyTheme(next);
        setTheme(next);
      }}
    >
      <Icon name={icon} />
    </button>
  );
}
