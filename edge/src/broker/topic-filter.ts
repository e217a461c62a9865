/** Topics and filters (MQTT 3.1.1 §4.7): what may be one, and which filters match a topic. */

export const topicLevelsMax = 100;
const shared = "$share/";

/** Invalid UTF-8 arrives as U+FFFD; U+0000 is forbidden by [MQTT-1.5.3-2]. */
export function isText(text: string): boolean {
  return !text.includes("\0") && !text.includes("\uFFFD");
}

/** A topic that a message may be published on. */
export function isTopic(text: string): boolean {
  return text.length > 0 && isText(text) && !/[+#]/.test(text) && levelsOf(text) <= topicLevelsMax;
}

/** [MQTT-4.7.1-2], [MQTT-4.7.1-3]: a wildcard fills its level, and `#` is the last. */
export function isFilter(text: string): boolean {
  if (text.length === 0 || !isText(text)) return false;
  const levels = text.split("/");
  if (levels.length > topicLevelsMax) return false;
  return levels.every((level, at) => {
    if (level === "#") return at === levels.length - 1;
    return level === "+" || !/[+#]/.test(level);
  });
}

/** Of MQTT 5; a broker of 3.1.1 that takes one as it stands delivers nothing to it. */
export function isSharedFilter(text: string): boolean {
  return text.startsWith(shared);
}

function levelsOf(text: string): number {
  let levels = 1;
  for (let at = text.indexOf("/"); at !== -1; at = text.indexOf("/", at + 1)) levels++;
  return levels;
}

export function matches(filter: string, topic: string): boolean {
  if (topic.startsWith("$") && /^[+#]/.test(filter)) return false;
  const [wanted, found] = [filter.split("/"), topic.split("/")];
  for (const [at, level] of wanted.entries()) {
    if (level === "#") return true;
    if (at >= found.length || (level !== "+" && level !== found[at])) return false;
  }
  return wanted.length === found.length;
}

interface Branch<Value> {
  readonly levels: Map<string, Branch<Value>>;
  readonly values: Map<string, Value>;
}

/** Values under filters, each with a key; found by topic without looking at every filter. */
export class FilterTree<Value> {
  readonly #root: Branch<Value> = branch();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  put(filter: string, key: string, value: Value): void {
    let at = this.#root;
    for (const level of filter.split("/")) {
      let next = at.levels.get(level);
      if (next === undefined) {
        next = branch<Value>();
        at.levels.set(level, next);
      }
      at = next;
    }
    if (!at.values.has(key)) this.#size++;
    at.values.set(key, value);
  }

  delete(filter: string, key: string): void {
    const path: [Branch<Value>, string][] = [];
    let at = this.#root;
    for (const level of filter.split("/")) {
      const next = at.levels.get(level);
      if (next === undefined) return;
      path.push([at, level]);
      at = next;
    }
    if (at.values.delete(key)) this.#size--;
    for (const [parent, level] of path.reverse()) {
      const child = parent.levels.get(level);
      if (child === undefined || child.levels.size + child.values.size > 0) return;
      parent.levels.delete(level);
    }
  }

  /** Calls `found` for each value whose filter matches; one key may come several times. */
  match(topic: string, found: (key: string, value: Value) => void): void {
    if (this.#size === 0) return;
    const levels = topic.split("/");
    const tell = (at: Branch<Value> | undefined) => {
      for (const [key, value] of at?.values ?? []) found(key, value);
    };
    const visit = (at: Branch<Value>, depth: number) => {
      const isSystem = depth === 0 && topic.startsWith("$");
      if (!isSystem) tell(at.levels.get("#"));
      if (depth === levels.length) return tell(at);
      const same = at.levels.get(levels[depth] as string);
      if (same !== undefined) visit(same, depth + 1);
      const plus = isSystem ? undefined : at.levels.get("+");
      if (plus !== undefined && plus !== same) visit(plus, depth + 1);
    };
    visit(this.#root, 0);
  }
}

function branch<Value>(): Branch<Value> {
  return { levels: new Map(), values: new Map() };
}
