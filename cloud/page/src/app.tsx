/** The frame of the page: where one can go, whether it is live, and what stands there. */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { AlertsPage } from "./alerts-page.tsx";
import { DeadPage } from "./dead-page.tsx";
import { DevicePage } from "./device-page.tsx";
import { DevicesPage } from "./devices-page.tsx";
import { countText, timeText } from "./format.ts";
import { GatewayPage } from "./gateway-page.tsx";
import { GatewaysPage } from "./gateways-page.tsx";
import { send } from "./http-api.ts";
import type { IconName } from "./icons.tsx";
import { Icon } from "./icons.tsx";
import { currentSession, useEntry, useFleet, useNow } from "./live.tsx";
import { LoginPage } from "./login-page.tsx";
import { OverviewPage } from "./overview-page.tsx";
import { Empty, Time } from "./parts.tsx";
import type { Route } from "./router.tsx";
import { link, useRoute } from "./router.tsx";
import { RulesPage } from "./rules-page.tsx";
import { applyTheme, ThemeSwitch } from "./theme.tsx";

applyTheme();

const places: readonly { path: string; name: string; icon: IconName }[] = [
  { path: "", name: "Overview", icon: "overview" },
  { path: "gateways", name: "Gateways", icon: "gateway" },
  { path: "devices", name: "Devices", icon: "device" },
  { path: "alerts", name: "Alerts", icon: "alert" },
  { path: "rules", name: "Rules", icon: "rule" },
  { path: "dead-letters", name: "Dead letters", icon: "dead" },
];

export function App() {
  const [entry, ask] = useEntry();
  const route = useRoute();
  if (entry === "asking") return null;
  if (entry === "login" || route.parts[0] === "login")
    return <LoginPage onEntered={entry === "login" ? ask : goHome} />;
  return (
    <>
      <button type="button" class="skip" onClick={focusContent}>
        Skip to the content
      </button>
      <Header current={route.parts[0] ?? ""} />
      <LinkLost />
      <Content route={route} />
      <Footer onLeft={ask} />
    </>
  );
}

/** Another session is another page. */
function goHome(): void {
  location.replace(link());
  location.reload();
}

/** No link: the hash says where one is. */
function focusContent(): void {
  document.getElementById("content")?.focus();
}

function Header({ current }: { current: string }) {
  const fleet = useFleet("alerts", "counters");
  const firing = fleet.firing().length;
  return (
    <header class="top">
      <a class="brand" href="#/">
        <Logo />
        <span>Causeway</span>
      </a>
      <nav aria-label="Pages">
        {places.map(({ path, name, icon }) => (
          <a key={path} href={`#/${path}`} aria-current={path === current ? "page" : undefined}>
            <Icon name={icon} />
            <span>{name}</span>
            {path === "alerts" && firing > 0 ? (
              <b class="count" title={`${countText(firing, "alert")} firing`}>
                {firing}
                <span class="unseen"> firing</span>
              </b>
            ) : null}
          </a>
        ))}
      </nav>
      <div class="end">
        <LinkState />
        <ThemeSwitch />
      </div>
    </header>
  );
}

function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" />
      <path d="M4 21.5h24M8 21.5V15m5.3 6.5V11m5.4 10.5V11M24 21.5V15M4 16.5C9 9.5 23 9.5 28 16.5" />
    </svg>
  );
}

const linkWords = { wait: "connecting", live: "live", lost: "connection lost" };

function LinkState() {
  const { state } = useFleet("link").link;
  return (
    <output class={`link ${state}`}>
      <Icon name={state === "live" ? "good" : state === "lost" ? "warning" : "wait"} />
      <span>{linkWords[state]}</span>
    </output>
  );
}

/** What is shown is old: that must not go unseen. */
function LinkLost() {
  const { state, since } = useFleet("link").link;
  if (state !== "lost") return null;
  return (
    <p class="banner warning" role="alert">
      <Icon name="warning" />
      <span>
        The connection to the cloud was lost at {timeText(since, since)}. What you see is from then;
        trying again.
      </span>
    </p>
  );
}

function Content({ route }: { route: Route }) {
  const own = useRef<HTMLElement>(null);
  const path = route.parts.join("/");
  const isFirst = useRef(true);
  // With the new page, not after it is drawn: a field that a quick hand is in by then keeps the focus.
  useLayoutEffect(() => {
    if (isFirst.current) {
      isFirst.current = false;
      return;
    }
    scrollTo(0, 0);
    own.current?.focus({ preventScroll: true });
  }, [path]);
  return (
    <main id="content" tabIndex={-1} ref={own} key={path}>
      <Page route={route} />
    </main>
  );
}

function Page({ route }: { route: Route }) {
  const [page, first, second] = route.parts;
  useTitle(page ?? "", first, second);
  if (page === undefined) return <OverviewPage />;
  if (page === "gateways")
    return first === undefined ? <GatewaysPage route={route} /> : <GatewayPage gateway={first} />;
  if (page === "devices")
    return first !== undefined && second !== undefined ? (
      <DevicePage gateway={first} device={second} route={route} />
    ) : (
      <DevicesPage route={route} />
    );
  if (page === "alerts") return <AlertsPage id={first} route={route} />;
  if (page === "rules") return <RulesPage />;
  if (page === "dead-letters") return <DeadPage id={first} />;
  return (
    <Empty icon="info">
      <h1>There is no such page</h1>
      <a href={link()}>Go to the overview</a>
    </Empty>
  );
}

function useTitle(page: string, first: string | undefined, second: string | undefined): void {
  const firing = useFleet("alerts").firing().length;
  const name = second ?? first ?? places.find(({ path }) => path === page)?.name;
  const title = name === undefined || page === "" ? "Causeway" : `${name} · Causeway`;
  useEffect(() => {
    document.title = firing > 0 ? `(${firing}) ${title}` : title;
  }, [title, firing]);
}

function Footer({ onLeft }: { onLeft: () => void }) {
  const fleet = useFleet("counters");
  const now = useNow();
  const session = currentSession();
  return (
    <footer>
      <span>
        Causeway {fleet.facts?.version} · <Time at={now} /> local time; point at a time for UTC
      </span>
      {session?.how === "anonymous" ? (
        <a href={link("login")}>Log in to do more than look</a>
      ) : null}
      {session?.how === "cookie" ? (
        <span>
          {session.name}
          {session.name === session.scope ? "" : ` (${session.scope})`}{" "}
          <button
            type="button"
            class="quiet"
            onClick={() =>
              void send("DELETE", "/api/session").then(() => location.reload(), onLeft)
            }
          >
            Log out
          </button>
        </span>
      ) : null}
    </footer>
  );
}
