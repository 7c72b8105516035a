#pragma once

#include "kernels/functors/math.h"

// The elementwise operators of two inputs on f32; a NaN on either side of Min and Max comes
// through.
namespace headrace::HEADRACE_ISA {

struct Add {
  HEADRACE_HOST_DEVICE float operator()(float a, float b) const { return a + b; }
};
struct Sub {
  HEADRACE_HOST_DEVICE float operator()(float a, float b) const { return a - b; }
};
struct Mul {
  HEADRACE_HOST_DEVICE float operator()(float a, float b) const { return a * b; }
};
struct Div {
  HEADRACE_HOST_DEVICE float operator()(float a, float b) const { return a / b; }
};
struct Min {
  HEADRACE_HOST_DEVICE float operator()(float a, float b) const {
    const float lesser = a < b ? a : b;
    return a != a ? a : lesser;
  }
};
struct Max {
  HEADRACE_HOST_DEVICE float operator()(float a, float b) const {
    const float greater = a > b ? a : b;
    return a != a ? a : greater;
  }
};
struct Pow {
  HEADRACE_HOST_DEVICE float operator()(float a, float b) const { return std::pow(a, b); }
};
// fmod: the sign of a.
struct Fmod {
  HEADRACE_HOST_DEVICE float operator()(float a, float b) const { return std::fmod(a, b); }
};

struct Equal {
  HEADRACE_HOST_DEVICE bool operator()(float a, float b) const { return a == b; }
};
struct Less {
  HEADRACE_HOST_DEVICE bool operator()(float a, float b) const { return a < b; }
};
struct LessOrEqual {
  HEADRACE_HOST_DEVICE bool operator()(float a, float b) const { return a <= b; }
};
struct Greater {
  HEADRACE_HOST_DEVICE bool operator()(float a, float b) const { return a > b; }
};
struct GreaterOrEqual {
  HEADRACE_HOST_DEVICE bool operator()(float a, float b) const { return a >= b; }
};

}  // namespace headrace::HEADRACE_ISA
