/** Where the cloud wants to know who asks. The token is sent once; a cookie stands for it then. */
import { useState } from "preact/hooks";
import { send } from "./http-api.ts";
import { FaultLine, useAct } from "./parts.tsx";

export function LoginPage({ onEntered }: { onEntered: () => void }) {
  const [token, setToken] = useState("");
  const { isBusy, fault, run } = useAct();
  return (
    <main class="login" id="content">
      <h1>Causeway</h1>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run(async () => {
            await send("POST", "/api/session", { token });
            onEntered();
          });
        }}
      >
        <label>
          Token
          <input
            type="password"
            autocomplete="current-password"
            required
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        <FaultLine fault={fault} />
        <button type="submit" class="primary" disabled={isBusy}>
          Enter
        </button>
        <p class="soft">
          The token that <code>http.tokenFile</code> or <code>http.tokens</code> in cloud.yaml
          names.
        </p>
      </form>
    </main>
  );
}
