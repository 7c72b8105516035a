#pragma once

#include <cstdint>

#include "kernels/cuda/layouts.h"
#include "kernels/cuda/walk.h"

namespace headrace::cuda {

// Where the elements of [N, C, spatial...] stand, row-major or with their channels last.
struct Images {
  int64_t count = 1, channels = 1, plane = 1;
  bool last = false;  // channels are neighbours

  Images() = default;
  Images(const TensorType& type, const Layout& layout)
      : count(type.shape[0]), channels(type.shape[1]) {
    for (size_t d = 2; d < type.shape.size(); ++d) plane *= type.shape[d];
    last = layout.id == kChannelsLast || plane == 1;
  }
  HEADRACE_HOST_DEVICE int64_t per_channel() const { return count * plane; }
  int64_t elements() const { return per_channel() * channels; }

  struct Element {
    int64_t image, channel, pixel;
  };
  HEADRACE_HOST_DEVICE Element element(int64_t place) const {
    const int64_t inner = last ? channels : plane, outer = last ? plane : channels;
    const int64_t line = quotient(place, inner), within = place - line * inner;
    const int64_t image = quotient(line, outer), between = line - image * outer;
    return last ? Element{image, within, between} : Element{image, between, within};
  }
  HEADRACE_HOST_DEVICE int64_t place(int64_t image, int64_t channel, int64_t pixel) const {
    return last ? (image * plane + pixel) * channels + channel
                : (image * channels + channel) * plane + pixel;
  }
};

}  // namespace headrace::cuda
