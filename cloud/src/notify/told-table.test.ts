import { notificationOf } from "@causeway/shared/notify/notification.ts";
import { encodeNotification } from "@causeway/shared/notify/plan-codec.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { encodeDone } from "@causeway/shared/notify/told-record.ts";
import { expect, test } from "vitest";
import { ToldTable } from "./told-table.ts";

const firing = notificationOf(transition({ id: "a" }));
const resolved = notificationOf(transition({ id: "a", state: "resolved" }));

test("an alert knows who was told of it, who is being told, and whom it did not reach", () => {
  const table = new ToldTable();
  table.take("pager.told.0", encodeNotification(firing));
  expect(table.of("a")).toMatchObject([{ receiver: "pager", outcome: "waiting", state: "firing" }]);
  table.take("pager.told.0", "");
  table.take("pager.done.0", encodeDone(firing, { kind: "delivered" }, 10));
  table.take("mail.done.4", encodeDone(firing, { kind: "dead", reason: "HTTP 410" }, 20));
  table.take("pager.done.1", encodeDone(resolved, { kind: "delivered" }, 30));
  expect(table.of("a")).toMatchObject([
    { receiver: "pager", outcome: "delivered", state: "firing", at: 10 },
    { receiver: "mail", outcome: "dead", detail: "HTTP 410", at: 20 },
    { receiver: "pager", outcome: "delivered", state: "resolved", at: 30 },
  ]);
});

test("a record that another one takes the place of is forgotten with all of its alerts", () => {
  const table = new ToldTable();
  table.take("pager.done.0", encodeDone(firing, { kind: "delivered" }, 10));
  const other = notificationOf(transition({ id: "b" }));
  table.take("pager.done.0", encodeDone(other, { kind: "delivered" }, 20));
  expect(table.of("a")).toEqual([]);
  expect(table.of("b")).toHaveLength(1);
  table.clear();
  expect(table.of("b")).toEqual([]);
});

test("a refusal is kept with the head of what was answered", () => {
  const dead = encodeDone(firing, { kind: "dead", reason: "x".repeat(100_000) }, 1);
  expect(dead.length).toBeLessThan(1_000);
});
