/** Goal: the words of an alert say what their author meant; a placeholder that is none is told. */
import { expect, test } from "vitest";
import { messageSchema, renderMessage } from "./message.ts";

test("placeholders are filled, and what is not known is left out", () => {
  const fields = { device: "freezer-1", value: -10.5, unit: "Cel", metric: "t" };
  expect(renderMessage("{device}: door open at {value} {unit}", fields)).toBe(
    "freezer-1: door open at -10.5 Cel",
  );
  expect(renderMessage("{site}|{{device}}|{device}", fields)).toBe("|{device}|freezer-1");
  expect(renderMessage("at {value} {unit}: {{ {{{reason}", { value: 3 })).toBe("at 3: { {");
  expect(renderMessage("{device}", { device: "{value} $& {{" })).toBe("{value} $& {{");
});

test.each([
  ["{devise} is hot", "no placeholder {devise}: there are rule, severity", 0],
  ["hot: {}", "no placeholder {}", 5],
  ["hot {device", "no placeholder {", 4],
  ["hot }", "no placeholder }", 4],
])("%s is refused: %s", (message, told, offset) => {
  const [issue] = messageSchema.safeParse(message).error?.issues ?? [];
  expect(issue?.message).toContain(told);
  expect(issue).toMatchObject({ params: { offset } });
});

test("what was let through renders without a bracket of its own", () => {
  for (const message of ["{{", "}}", "{{{device}}}", "{{}}", "a"]) {
    expect(messageSchema.safeParse(message).success).toBe(true);
    expect(renderMessage(message, { device: "d" })).toBe(
      message.replace("{{", "{").replace("}}", "}").replace("{device}", "d"),
    );
  }
});
