/** What people say of a device or a gateway: its name, that it replaces another, that it is gone. */
import { useId, useState } from "preact/hooks";
import type { DeviceDetails, DeviceList } from "./api-types.ts";
import { FormDialog, TextField } from "./form-dialog.tsx";
import { send } from "./http-api.ts";
import { may } from "./live.tsx";
import { useData } from "./use-data.ts";

interface Subject {
  readonly gateway: string;
  /** Undefined: the gateway itself. */
  readonly device?: string;
  readonly name: string;
  readonly isRetired: boolean;
  /** The device that it goes on as; "" where it is itself. */
  readonly replaces?: string;
}

/** What was said last. */
export function saidText(said: DeviceDetails["said"]): string | undefined {
  if (said === null) return undefined;
  return `${said.act} by ${said.by}${said.note === "" ? "" : `: ${said.note}`}`;
}

const acts = {
  rename: {
    button: "Rename",
    hint: "A name for people; its id stays. Without one it goes by its id.",
  },
  replace: {
    button: "Replaces another",
    hint:
      "From now on it goes on as the other: rules judge its readings as that one's, and alerts and " +
      "charts show them there. Nothing ends that.",
  },
  retire: {
    button: "Take out of service",
    hint: "No rule looks at it, nobody misses it, and its open alerts end. It is in service again when it speaks.",
  },
  return: { button: "Back in service", hint: "Rules look at it again, and it is missed." },
  forget: {
    button: "Forget",
    hint: "It is gone from every list until it speaks again. Its readings stay in the history.",
  },
} as const;
type ActName = keyof typeof acts;

export function SayOf(props: { subject: Subject; onDone: () => void; onGone: () => void }) {
  const { subject, onDone, onGone } = props;
  const [open, setOpen] = useState<ActName>();
  if (!may("operate")) return null;
  const names: readonly ActName[] = [
    "rename",
    ...(subject.device === undefined ? [] : (["replace"] as const)),
    subject.isRetired ? "return" : "retire",
    "forget",
  ];
  return (
    <p class="acts said">
      {names.map((name) => (
        <button key={name} type="button" onClick={() => setOpen(name)}>
          {acts[name].button}
        </button>
      ))}
      {open === undefined ? null : (
        <SayDialog
          act={open}
          subject={subject}
          onClose={() => setOpen(undefined)}
          onDone={() => {
            setOpen(undefined);
            (open === "forget" ? onGone : onDone)();
          }}
        />
      )}
    </p>
  );
}

function SayDialog(props: {
  act: ActName;
  subject: Subject;
  onClose: () => void;
  onDone: () => void;
}) {
  const { act, subject, onClose, onDone } = props;
  const { gateway, device } = subject;
  const [name, setName] = useState(subject.name);
  const [old, setOld] = useState(subject.replaces ?? "");
  const [note, setNote] = useState("");
  const { button, hint } = acts[act];
  const what = { rename: { name }, replace: { old } }[act as string];
  const place = device === undefined ? ["gateways", gateway] : ["devices", gateway, device];
  return (
    <FormDialog
      title={`${button}: ${device ?? gateway}`}
      act={button}
      isDanger={act === "forget" || act === "retire"}
      {...{ onClose, onDone }}
      send={(by) =>
        send("POST", `/api/${[...place, act].map(encodeURIComponent).join("/")}`, {
          ...{ by, note, ...what },
        })
      }
    >
      <p class="soft">{hint}</p>
      {act === "rename" ? (
        <TextField label="Name" most={128} value={name} onChange={setName} />
      ) : null}
      {act === "replace" ? (
        <OldField gateway={gateway} own={device ?? ""} old={old} onChange={setOld} />
      ) : null}
      <TextField label="Note" hint="why" value={note} onChange={setNote} />
    </FormDialog>
  );
}

function OldField(props: {
  gateway: string;
  own: string;
  old: string;
  onChange: (old: string) => void;
}) {
  const { gateway, own, old, onChange } = props;
  const list = useId();
  const path = `/api/devices?gateway=${encodeURIComponent(gateway)}&limit=200`;
  const { answer } = useData<DeviceList>(path, 0);
  const others = answer?.devices.filter(({ device }) => device !== own) ?? [];
  return (
    <>
      <TextField
        {...{ label: "Id of the one it replaces", value: old, onChange, list }}
        hint="none"
      />
      <datalist id={list}>
        {others.map(({ device, name }) => (
          <option key={device} value={device}>
            {name}
          </option>
        ))}
      </datalist>
    </>
  );
}
