/** The browser's clocks, frames and storage; nothing else of the page touches them. */

export type Cancel = () => void;

export const wallMs = (): number => Date.now();

/** Runs `act` every `periodMs` while the page is seen, and at once when it is seen again. */
export function everyWhileSeen(periodMs: number, act: () => void): Cancel {
  const timer = setInterval(() => {
    if (!document.hidden) act();
  }, periodMs);
  const seen = () => {
    if (!document.hidden) act();
  };
  document.addEventListener("visibilitychange", seen);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", seen);
  };
}

export function after(delayMs: number, act: () => void): Cancel {
  const timer = setTimeout(act, delayMs);
  return () => clearTimeout(timer);
}

/** Before the next picture is drawn; a page that is not seen draws none, so time serves there. */
export function nextFrame(act: () => void): void {
  if (document.hidden) setTimeout(act, 250);
  else requestAnimationFrame(act);
}

/** Undefined where nothing is kept, or the browser keeps nothing. */
export function kept(name: string): string | undefined {
  try {
    return localStorage.getItem(`causeway.${name}`) ?? undefined;
  } catch {
    return undefined;
  }
}

export function keep(name: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(`causeway.${name}`);
    else localStorage.setItem(`causeway.${name}`, value);
  } catch {
    // A browser that keeps nothing shows the page as it is.
  }
}
