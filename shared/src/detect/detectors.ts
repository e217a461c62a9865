/** Every detector a rule can name, with the parameters it takes. */
import { z } from "zod";
import type { AbsenceSettings } from "./absence.ts";
import { absenceDetector } from "./absence.ts";
import type { AutoSettings } from "./auto.ts";
import { autoDetector } from "./auto.ts";
import type { CusumSettings } from "./cusum.ts";
import { cusumLearner } from "./cusum.ts";
import type { Detector } from "./detector.ts";
import type { EwmaSettings } from "./ewma.ts";
import { ewmaDetector } from "./ewma.ts";
import type { FlatLineSettings } from "./flat-line.ts";
import { flatLineDetector } from "./flat-line.ts";
import type { HoltWintersSettings } from "./holt-winters.ts";
import { holtWintersLearner } from "./holt-winters.ts";
import type { Learner, LearnerSettings } from "./learner.ts";
import { learned } from "./learner.ts";
import type { LimitsSettings } from "./limits.ts";
import { limitsDetector } from "./limits.ts";
import type { MewmaSettings } from "./mewma.ts";
import { mewmaDetector } from "./mewma.ts";
import type { PageHinkleySettings } from "./page-hinkley.ts";
import { pageHinkleyLearner } from "./page-hinkley.ts";
import type { RangeSettings } from "./range-novelty.ts";
import { rangeLearner } from "./range-novelty.ts";
import type { RateSettings } from "./rate-of-change.ts";
import { rateDetector } from "./rate-of-change.ts";
import type { SpotSettings } from "./spot.ts";
import { spotLearner } from "./spot.ts";
import type { ClearSettings } from "./stages.ts";
import { hysteresis, ofCounter, peakHold } from "./stages.ts";

/** Stages that every detector of numbers can stand between. */
export const stageParameters = {
  /** The metric counts up: its pace in a second is judged, and a reset is no fall. */
  counter: z.boolean().default(false),
  /** Readings for which an anomalous one silences all that are not worse. */
  hold: z.int().min(0).max(1_000_000).default(0),
};

interface StageSettings {
  readonly counter?: boolean;
  readonly hold?: number;
}

type Learns = LearnerSettings & StageSettings & ClearSettings;

export type DetectorSettings =
  | ({ readonly detector: "limits" } & LimitsSettings)
  | ({ readonly detector: "ewma" } & EwmaSettings)
  | ({ readonly detector: "rate" } & RateSettings & ClearSettings)
  | ({ readonly detector: "flat" } & FlatLineSettings)
  | ({ readonly detector: "absence" } & AbsenceSettings)
  | ({ readonly detector: "auto" } & AutoSettings & Pick<StageSettings, "counter"> & ClearSettings)
  | ({ readonly detector: "holt-winters" } & HoltWintersSettings & Learns)
  | ({ readonly detector: "cusum" } & CusumSettings & Learns)
  | ({ readonly detector: "page-hinkley" } & PageHinkleySettings & Learns)
  | ({ readonly detector: "spot" } & SpotSettings & Learns)
  | ({ readonly detector: "dspot" } & SpotSettings & Learns)
  | ({ readonly detector: "hotelling" } & MewmaSettings)
  | ({ readonly detector: "mewma" } & MewmaSettings)
  | ({ readonly detector: "range" } & RangeSettings & Learns);

/** Its states must only be given back to itself or to one made of equal settings. */
export function createDetector(settings: DetectorSettings): Detector<unknown> {
  switch (settings.detector) {
    case "limits":
      return limitsDetector(settings);
    case "ewma":
      return ewmaDetector(settings);
    case "rate":
      return cleared(rateDetector(settings), settings);
    case "flat":
      return flatLineDetector(settings);
    case "absence":
      return absenceDetector(settings);
    case "auto": {
      const detector = cleared(autoDetector(settings), settings);
      return settings.counter ? ofCounter(detector) : detector;
    }
    case "holt-winters":
      return stagesAbout(holtWintersLearner(settings), settings);
    case "cusum":
      return stagesAbout(cusumLearner(settings), settings);
    case "page-hinkley":
      return stagesAbout(pageHinkleyLearner(settings), settings);
    case "spot":
    case "dspot":
      return stagesAbout(spotLearner(settings), settings);
    case "hotelling":
    case "mewma":
      return mewmaDetector(settings);
    case "range":
      return stagesAbout(rangeLearner(settings), settings);
  }
}

function cleared<State>(detector: Detector<State>, { clear }: ClearSettings): Detector<unknown> {
  return clear === undefined ? detector : hysteresis(detector, clear);
}

function stagesAbout<State>(learner: Learner<State>, settings: Learns): Detector<unknown> {
  const { counter = false, hold = 0 } = settings;
  const learning = cleared(learned(learner, settings), settings);
  const held: Detector<unknown> = hold > 0 ? peakHold(learning, hold) : learning;
  return counter ? ofCounter(held) : held;
}
