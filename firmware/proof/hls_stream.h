// Streams of the proof: what is read from an empty one is named.
#ifndef FPGAAE_PROOF_HLS_STREAM_H_
#define FPGAAE_PROOF_HLS_STREAM_H_

#include "symbolic.h"
#include <deque>

namespace hls {

template <class T, int DEPTH = 0> class stream {
  public:
    stream() {}
    stream(const char *) {}
    T read() {
        if (values_.empty())
            throw proof::Unprovable("an empty stream is read");
        T value = values_.front();
        values_.pop_front();
        return value;
    }
    void read(T &value) { value = read(); }
    void write(const T &value) { values_.push_back(value); }
    void operator>>(T &value) { value = read(); }
    void operator<<(const T &value) { write(value); }
    size_t size() const { return values_.size(); }
    bool empty() const { return values_.empty(); }

  private:
    std::deque<T> values_;
};

} // namespace hls

#endif
