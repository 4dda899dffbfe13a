/** `$round` and `$trunc` at a decimal place, exact on the double that a number is. */

/**
 * Rounds `value` at `place` digits behind the point (in front of it if negative): half to even (manual, "$round"), or
 * towards zero. A double is a whole number times a power of two, so this is done in whole numbers, without the errors
 * of multiplying by a power of ten.
 */
export function roundAt(value: number, place: number, direction: "halfEven" | "towardZero"): number {
  if (!Number.isFinite(value) || (Number.isInteger(value) && place >= 0)) return value;
  const [mantissa, exponent] = binaryParts(Math.abs(value));
  let numerator = BigInt(mantissa);
  let denominator = 1n;
  if (exponent >= 0) numerator <<= BigInt(exponent);
  else denominator <<= BigInt(-exponent);
  if (place >= 0) numerator *= 10n ** BigInt(place);
  else denominator *= 10n ** BigInt(-place);
  let quotient = numerator / denominator;
  const twiceRest = (numerator % denominator) * 2n;
  const isUp = twiceRest > denominator || (twiceRest === denominator && quotient % 2n === 1n);
  if (direction === "halfEven" && isUp) quotient += 1n;
  const rounded = Number(`${quotient}e${-place}`);
  return value < 0 ? -rounded : rounded;
}

/** A positive double as a whole number below 2⁵³ and a power of two. */
function binaryParts(value: number): [mantissa: number, exponent: number] {
  let mantissa = value;
  let exponent = 0;
  while (mantissa >= 2 ** 53) {
    mantissa /= 2;
    exponent++;
  }
  while (!Number.isInteger(mantissa)) {
    mantissa *= 2;
    exponent--;
  }
  return [mantissa, exponent];
}
