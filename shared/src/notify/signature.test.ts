// Receivers check signatures with the libraries of Standard Webhooks.
import { expect, test } from "vitest";
import { sign, signingKey } from "./signature.ts";

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

test("the example of the specification is signed as it says", () => {
  const parts = {
    id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
    timestamp: 1_614_265_330,
    body: '{"test": 2432232314}',
  };
  const key = signingKey(secret, "secret.txt");
  expect(sign(key, parts)).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
});

test("a secret is the same with and without its prefix", () => {
  expect(signingKey(secret.slice(6), "file")).toEqual(signingKey(secret, "file"));
});

test.each(["", "short", "not base64 at all, but long enough", "A".repeat(200)])(
  "the secret %j is refused with its file and the cure",
  (text) => {
    expect(() => signingKey(text, "/run/secrets/hook")).toThrow(
      /^CONFIG_INVALID: \/run\/secrets\/hook: .*openssl/,
    );
  },
);
