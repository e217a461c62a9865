/** Lists of patterns in settings; selector.ts tells what they mean. */
import { z } from "zod";

export const patternsMax = 1_000;
export const patternCharactersMax = 512;

const pattern = z
  .string()
  .min(1)
  .max(patternCharactersMax)
  .refine((text) => text !== "!", "a pattern must follow the !");

export const patternsSchema = z.array(pattern).min(1).max(patternsMax);
