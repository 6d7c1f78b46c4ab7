// Reads segmentations and a report with dcmjs, and prints pixels, references and values as JSON. Arguments: the files.
import fs from "node:fs";
import { createRequire } from "node:module";

const dcmjs = createRequire(`${process.cwd()}/`)("dcmjs");
const list = (value) => [].concat(value ?? []);

function dataset(path) {
  const file = fs.readFileSync(path);
  const read = dcmjs.data.DicomMessage.readFile(file.buffer.slice(file.byteOffset, file.byteOffset + file.length));
  return dcmjs.data.DicomMetaDictionary.naturalizeDataset(read.dict);
}

function runs(coded, length) {
  const view = new DataView(coded), bytes = new Uint8Array(coded), pixels = [];
  for (let at = view.getUint32(4, true); pixels.length < length; ) {
    const count = view.getInt8(at++);
    if (count >= 0) for (let i = 0; i <= count; i++) pixels.push(bytes[at++]);
    else if (count > -128) pixels.push(...new Array(1 - count).fill(bytes[at++]));
  }
  return pixels;
}

function pixelsOf(found) {
  const frame = found.Rows * found.Columns;
  if (found.BitsAllocated === 8) return list(found.PixelData).flatMap((one) => runs(one, frame));
  const bits = dcmjs.data.BitArray.unpack(list(found.PixelData)[0]);
  return Array.from(bits.slice(0, frame * found.NumberOfFrames), (bit) => (bit ? 1 : 0));
}

function valuesOf(item) {
  return list(item.ContentSequence).flatMap((child) => {
    const value = list(child.MeasuredValueSequence)[0];
    const own = child.ValueType === "NUM" ? [[Number(value.NumericValue), list(value.MeasurementUnitsCodeSequence)[0].CodeValue]] : [];
    return own.concat(valuesOf(child));
  });
}

const answers = process.argv.slice(2).map((path) => {
  const found = dataset(path);
  if (found.Modality === "SR") return { values: valuesOf(found) };
  const sources = list(found.PerFrameFunctionalGroupsSequence).map((groups) => {
    const source = list(list(groups.DerivationImageSequence)[0].SourceImageSequence)[0];
    return [source.ReferencedSOPInstanceUID, Number(source.ReferencedFrameNumber)];
  });
  return { type: found.SegmentationType, pixels: pixelsOf(found), sources };
});
process.stdout.write(JSON.stringify(answers));
