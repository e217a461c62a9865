// The goal: CSV and Influx line protocol, by their topics or by what they look like, and only then.
import { describe, expect, test } from "vitest";
import { LearningDecoder, told } from "./testing/device-message.ts";

const says = (topic: string, payload: string) =>
  told(new LearningDecoder().decode(topic, Buffer.from(payload)));

describe("CSV", () => {
  test.each([
    ["a,b\n1,2\n3,4", ["a=1", "b=2", "a=3", "b=4"]],
    ["a;b\r\n1;2\r\n", ["a=1", "b=2"]],
    ["a\tb\n1\t2", ["a=1", "b=2"]],
    ["1,2,x", ["column1=1", "column2=2", 'column3="x"']],
    ['a,b\n"1","say ""hi"", all"', ['a="1"', 'b="say ""hi"", all"'.replaceAll('""', '\\"')]],
    ["a,b\n007,1e3", ['a="007"', "b=1000"]],
    ["a,b\n,2", ["b=2"]],
    ["a,b\n1,", ["a=1"]],
    ["temp (°C),hum [%]\n21,40", ["temp=21 Cel (°C)", "hum=40 %"]],
    ["a\n1\n2", ["a=1", "a=2"]],
    ["a,b\n1,2,3", ["quarantined not-understood"]],
    ["a;b\n1,5;0,25", ["a=1.5", "b=0.25"]],
    ["a;b\n1.234,5;00,5", ['a="1.234,5"', 'b="00,5"']],
    ["a|b\n1|2", ["a=1", "b=2"]],
    ["a,a\n1,2", ["a=1", "a.2=2"]],
    ["# a note\n#a;b\n1;2", ["a=1", "b=2"]],
    ["a,b\nnan,unavailable", ["a=null bad: nan", "b=null bad: unavailable"]],
  ])("%j is read on a topic of its own", (payload, said) => {
    expect(says("csv/x", payload).map((line) => line.replace("x ", ""))).toEqual(said);
  });

  test("has a time where a column is named so", () => {
    expect(says("x.csv", "time,a\n1714536000,1")).toEqual(["x.csv a=1 @2024-05-01T04:00:00.000Z"]);
  });

  test.each([
    ["date;time;v\n2024-05-01;04:00:00;5", ["x.csv v=5 @2024-05-01T04:00:00.000Z"]],
    ["date;v\n01.05.2024 04:00:00;5", ["x.csv v=5 @2024-05-01T04:00:00.000Z"]],
    ["2024-05-01T04:00:00Z,5", ["x.csv column2=5 @2024-05-01T04:00:00.000Z"]],
    ["1714536000,5", ["x.csv column1=1714536000", "x.csv column2=5"]],
    ["time,v\n04:00:00,5", ["x.csv v=5", 'x.csv time="04:00:00"']],
    ["date,v\n05/01/2024,5", ['x.csv date="05/01/2024"', "x.csv v=5"]],
  ])("%j has the time that can be read in one way only", (payload, said) => {
    expect(says("x.csv", payload)).toEqual(said);
  });

  test("is known on other topics by its names and rows alone", () => {
    expect(says("plant/x", "a,b\n1,2\n")).toEqual(["plant/x a=1", "plant/x b=2"]);
    for (const other of [
      "1,2\n3,4",
      "1,5;on\n2,5;off",
      "2024-05-01;on\n2024-05-02;off",
      "a,b\n1",
      "Dear all,\nhello",
      "a\nb",
    ]) {
      expect(says("plant/x", other), other).toEqual(["quarantined topic-unknown"]);
    }
  });
});

describe("a line of Influx", () => {
  test.each([
    ["m f=1", ["m.f=1"]],
    [
      "m,host=a,cpu=0 f=1.5,g=-3i,h=4u",
      ["m,host=a,cpu=0.f=1.5", "m,host=a,cpu=0.g=-3", "m,host=a,cpu=0.h=4"],
    ],
    ['m s="a, b=\\"c\\"",t=true,u=F', ['m.s="a, b=\\"c\\""', "m.t=true", "m.u=false"]],
    ["my\\ m,a\\,b=c\\=d f=1", ["my m,a,b=c=d.f=1"]],
    ["m f=1\n# note\n\nm f=2\n", ["m.f=1", "m.f=2"]],
    ["m f=1 1714536000", ["m.f=1 @2024-05-01T04:00:00.000Z"]],
    ["m f=1 1714536000000000000", ["m.f=1 @2024-05-01T04:00:00.000Z"]],
    ["m f", ["quarantined not-understood"]],
    ["m f=1 soon", ["quarantined not-understood"]],
    ["m f=one", ["quarantined not-understood"]],
    ["m f=1 1 1", ["quarantined not-understood"]],
    ["m f=nan,g=1", ["m.f=null bad: nan", "m.g=1"]],
    [
      '{"name":"m","tags":{"host":"a"},"fields":{"f":1,"g":"x"},"timestamp":1714536000}',
      ["m,host=a.f=1 @2024-05-01T04:00:00.000Z", 'm,host=a.g="x" @2024-05-01T04:00:00.000Z'],
    ],
  ])("%j is read on a topic of its own", (payload, said) => {
    expect(says("influx/x", payload).map((line) => line.replace("x ", ""))).toEqual(said);
  });

  test("is known on other topics by its form", () => {
    expect(says("plant/x", "weather,place=a temp=21.5")).toEqual([
      "plant/x weather,place=a.temp=21.5",
    ]);
    expect(says("plant/x", "the answer=42 of all")).toEqual(['plant x="the answer=42 of all"']);
  });
});
