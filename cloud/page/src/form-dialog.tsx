/** A form over the page for something that a person does, with who says so; a fault is told in it. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { currentSession } from "./live.tsx";
import { Dialog, FaultLine, useAct } from "./parts.tsx";
import { keep, kept } from "./system-browser.ts";

export function FormDialog(props: {
  title: string;
  /** What the button says. */
  act: string;
  isDanger?: boolean;
  isReady?: boolean;
  onClose: () => void;
  /** `by`: who says so. */
  send: (by: string) => Promise<unknown>;
  onDone: () => void;
  children: ComponentChildren;
}) {
  const { title, act, isDanger = false, isReady = true, onClose, send, onDone, children } = props;
  const [who, setWho] = useState(usualWho);
  const { isBusy, fault, run } = useAct();
  const submit = async () => {
    if (!(await run(() => send(who)))) return;
    keep("who", who);
    onDone();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        {children}
        <TextField label="Your name" isRequired most={128} value={who} onChange={setWho} />
        <FaultLine fault={fault} />
        <p class="acts">
          <button
            type="submit"
            class={isDanger ? "danger" : "primary"}
            disabled={isBusy || !isReady}
          >
            {act}
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </p>
      </form>
    </Dialog>
  );
}

/** A token has a name; on loopback anybody may be sitting there. */
function usualWho(): string {
  const session = currentSession();
  const isNamed = session?.how === "cookie" || session?.how === "token";
  return kept("who") ?? (isNamed ? session.name : "");
}

export function TextField(props: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  most?: number;
  isRequired?: boolean;
  hint?: string;
  /** Id of a datalist. */
  list?: string;
}) {
  const { label, value, onChange, most = 1_000, isRequired = false, hint = "", list } = props;
  return (
    <label>
      {label}
      <input
        required={isRequired}
        maxLength={most}
        placeholder={hint}
        value={value}
        onInput={({ currentTarget }) => onChange(currentTarget.value)}
        {...(list === undefined ? {} : { type: "text", list })}
      />
    </label>
  );
}
