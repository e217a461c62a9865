/** Goal: what was published and stored is known after a crash on LevelDB, as it is in memory. */
import { levelPlace } from "../testing/level-place.ts";
import { publishContract } from "./publish.contract.ts";

publishContract("LevelDB", levelPlace);
