// The shift register of the proof.
#ifndef FPGAAE_PROOF_AP_SHIFT_REG_H_
#define FPGAAE_PROOF_AP_SHIFT_REG_H_

template <class T, unsigned DEPTH = 32> class ap_shift_reg {
  public:
    ap_shift_reg() {}
    ap_shift_reg(const char *) {}
    T shift(T value, unsigned place = DEPTH - 1, bool enable = true) {
        T out = values_[place];
        if (enable) {
            for (unsigned i = DEPTH - 1; i > 0; i--)
                values_[i] = values_[i - 1];
            values_[0] = value;
        }
        return out;
    }
    T read(unsigned place = DEPTH - 1) const { return values_[place]; }

  private:
    T values_[DEPTH];
};

#endif
