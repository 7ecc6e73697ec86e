// What a type makes of a number: exact where nothing is lost, else a symbol for it.
#include "quantize.h"

namespace proof {

big without_bits(big code, int drop, ap_q_mode mode) {
    big low = code >> drop, rest = code - (low << drop), half = big(1) << (drop - 1);
    bool up = false;
    switch (mode) {
    case AP_TRN:
        break;
    case AP_TRN_ZERO:
        up = code < 0 && rest != 0;
        break;
    case AP_RND:
        up = rest >= half;
        break;
    case AP_RND_MIN_INF:
        up = rest > half;
        break;
    case AP_RND_ZERO:
        up = rest > half || (rest == half && code < 0);
        break;
    case AP_RND_INF:
        up = rest > half || (rest == half && code >= 0);
        break;
    case AP_RND_CONV:
        up = rest > half || (rest == half && (low & 1));
        break;
    }
    return low + up;
}

big within_range(big code, const Type &type) {
    Interval all = type.all();
    if (type.overflow == AP_SAT_SYM && type.is_signed)
        all.low++;
    if (code >= all.low && code <= all.high)
        return code;
    switch (type.overflow) {
    case AP_SAT:
    case AP_SAT_SYM:
        return code < all.low ? all.low : all.high;
    case AP_SAT_ZERO:
        return 0;
    case AP_WRAP: {
        big bits = code & ((big(1) << type.width) - 1);
        return type.is_signed && (bits >> (type.width - 1)) ? bits - (big(1) << type.width) : bits;
    }
    default:
        throw Unprovable("the overflow mode AP_WRAP_SM");
    }
}

big quantized(big code, int fraction, const Type &type) {
    int drop = fraction - type.fraction();
    if (drop > 100) // every bit is dropped
        code = code < 0 ? -1 : code > 0, drop = 2;
    return within_range(drop > 0 ? without_bits(code, drop, type.rounding) : checked_shift(code, -drop), type);
}

bool divides(const Form &form, int bits) {
    big mask = (big(1) << bits) - 1;
    if (form.constant & mask)
        return false;
    for (auto &term : form.terms)
        if (term.second & mask)
            return false;
    return true;
}

Number shifted(Number number, int up) {
    for (auto &term : number.form.terms)
        term.second = up >= 0 ? checked_shift(term.second, up) : term.second >> -up;
    big &k = number.form.constant;
    k = up >= 0 ? checked_shift(k, up) : k >> -up;
    Interval &c = number.codes;
    // a bound that is not a multiple lies between two multiples: round it inwards
    c = up >= 0 ? Interval{checked_shift(c.low, up), checked_shift(c.high, up)} : Interval{-((-c.low) >> -up), c.high >> -up};
    number.fraction += up;
    return number;
}

std::map<unsigned, std::pair<Number, int>> &wraps() {
    static std::map<unsigned, std::pair<Number, int>> instance;
    return instance;
}

Number unwrapped(const Number &number, int width) {
    Form sum;
    sum.constant = number.form.constant;
    bool changed = false;
    for (auto &term : number.form.terms) {
        std::vector<unsigned> ids = symbols_of(term.first);
        auto found = ids.size() == 1 ? wraps().find(ids[0]) : wraps().end();
        Form part;
        if (found != wraps().end() && divides(scaled(constant(term.second, 0).form, big(1) << found->second.second), width)) {
            part = scaled(found->second.first.form, term.second);
            changed = true;
        } else {
            part.terms.push_back(term);
        }
        sum = sum_of(sum, part);
    }
    if (!changed)
        return number;
    Number result = number;
    result.form = sum;
    result.codes = proof().of_terms(sum);
    return result;
}

Number lossy(const Number &number, const Type &type) {
    Interval codes = proof().of(number);
    Interval all = type.all();
    int drop = number.fraction - type.fraction();
    Interval ends = all;
    auto monotone = [&](big code) { return drop > 0 ? without_bits(code, drop, type.rounding) : checked_shift(code, -drop); };
    Interval rounded{monotone(codes.low), monotone(codes.high)};
    if (rounded.within(all) || type.overflow == AP_SAT || type.overflow == AP_SAT_SYM)
        ends = {within_range(rounded.low, type), within_range(rounded.high, type)};
    std::string definition = "r " + type.text() + ' ' + std::to_string(number.fraction) + ' ' + text(number.form);
    Number symbol = proof().fresh(definition, ends, proof().roots(number.form), type.fraction());
    if (drop <= 0 && type.overflow == AP_WRAP)
        wraps()[unsigned(symbol.form.terms[0].first)] = {shifted(number, -drop), type.width};
    return symbol;
}

Number assigned(const Number &number, const Type &type) {
    if (number.is_constant())
        return constant(quantized(number.form.constant, number.fraction, type), type.fraction());
    int drop = number.fraction - type.fraction();
    if (drop > 100 || (drop > 0 && !divides(number.form, drop)))
        return lossy(number, type);
    Number exact = shifted(number, -drop);
    Interval all = type.all();
    if (type.overflow == AP_SAT_SYM && type.is_signed)
        all.low++;
    if (exact.codes.within(all))
        return exact;
    exact.codes = proof().of(exact);
    if (exact.codes.within(all))
        return exact;
    if (type.overflow == AP_WRAP) {
        exact = unwrapped(exact, type.width);
        if (exact.codes.within(all))
            return exact;
    }
    return lossy(exact, type);
}

Number limited(const Number &number) {
    if (number.is_constant() || !proof().has_limits())
        return number;
    Number result = number;
    result.codes = proof().of(number);
    return result;
}

Number sum_of(const Number &a, const Number &b) {
    int fraction = std::max(a.fraction, b.fraction);
    const Number x = shifted(limited(a), fraction - a.fraction), y = shifted(limited(b), fraction - b.fraction);
    Number sum;
    sum.form = sum_of(x.form, y.form);
    sum.fraction = fraction;
    sum.codes = {checked_sum(x.codes.low, y.codes.low), checked_sum(x.codes.high, y.codes.high)};
    return sum;
}

Number negative(const Number &a) {
    Number result;
    result.form = scaled(a.form, -1);
    result.fraction = a.fraction;
    result.codes = {-a.codes.high, -a.codes.low};
    return result;
}

Number product_of(const Number &a, const Number &b) {
    Number result;
    result.form = product_of(a.form, b.form);
    result.fraction = a.fraction + b.fraction;
    Interval x = a.is_constant() ? a.codes : proof().of(a), y = b.is_constant() ? b.codes : proof().of(b);
    result.codes = product_of(x, y);
    if (!a.is_constant() && a.form == b.form) {
        big least = x.low > 0 ? x.low : x.high < 0 ? -x.high : 0;
        result.codes.low = checked_product(least, least);
    }
    return result;
}

big enumerated(const Number &number) {
    if (number.form.terms.size() == 1) {
        unsigned id = unsigned(number.form.terms[0].first);
        auto found = wraps().find(id);
        if (found != wraps().end() && number.form.terms[0] == std::make_pair(Monomial(id), big(1))) {
            big code = proof().enumerate(found->second.first) & ((big(1) << found->second.second) - 1);
            Interval of = proof().symbols[id].codes;
            if (code > of.high) // a signed number
                code -= big(1) << found->second.second;
            proof().narrow(id, {code, code});
            return code + number.form.constant;
        }
    }
    return proof().enumerate(number);
}

Number quotient(const Number &number, big divisor) {
    if (number.is_constant())
        return constant(number.form.constant / divisor, number.fraction);
    Interval codes = proof().of(number);
    std::string definition = "q " + text(divisor) + ' ' + std::to_string(number.fraction) + ' ' + text(number.form);
    return proof().fresh(definition, {codes.low / divisor, codes.high / divisor}, proof().roots(number.form), number.fraction);
}

Number of_double(double value) {
    if (!std::isfinite(value))
        throw Unprovable("a constant that is no finite number");
    int exponent;
    double mantissa = std::frexp(value, &exponent);
    big code = big(int64_t(std::ldexp(mantissa, 53)));
    int fraction = 53 - exponent;
    while (code != 0 && code % 2 == 0)
        code /= 2, fraction--;
    return code == 0 ? constant(0, 0) : constant(code, fraction);
}

Number port(int64_t place, const Type &type) {
    std::string name = "p " + std::to_string(place);
    if (size_t(place) < proof().slots.size() && proof().has_objects)
        proof().join(name, "p " + std::to_string(proof().slots[size_t(place)]));
    return proof().base(name, type.all(), type.fraction());
}

Number weight(int64_t place, const Type &type) { return proof().base("w " + std::to_string(place), type.all(), type.fraction()); }

Number difference(const Number &a, bool a_is_signed, const Number &b, bool b_is_signed) {
    // The vendor's types compare a signed with an unsigned number by their bits.
    if (a_is_signed != b_is_signed && (proof().of(a).low < 0 || proof().of(b).low < 0))
        throw Unprovable("a comparison of a signed with an unsigned number");
    return sum_of(a, negative(b));
}

Condition::operator bool() const { return proof().decide(difference, is_equal) != inverted; }

Number Condition::bit() const {
    if (difference.is_constant())
        return constant(bool(*this), 0);
    if (is_equal)
        throw Unprovable("the bit of a comparison for equality");
    // not above zero: its negative and one more code is
    Form form = inverted ? sum_of(scaled(difference.form, -1), constant(1, 0).form) : difference.form;
    std::string definition = "c " + std::to_string(difference.fraction) + ' ' + text(form);
    return proof().fresh(definition, {0, 1}, proof().roots(form), 0);
}

Number bit_of(const Number &number, int place) {
    big seen = number.form.constant;
    Number bit = constant((seen >> place) & 1, 0);
    if (!number.is_constant() && seen < 0)
        throw Unprovable("a bit of a sum of values");
    for (auto &term : number.form.terms) {
        std::vector<unsigned> ids = symbols_of(term.first);
        bool is_bit = ids.size() == 1 && proof().symbols[ids[0]].codes.within({0, 1}) && term.second > 0;
        if (!is_bit || (seen & term.second))
            throw Unprovable("a bit of a sum of values");
        seen |= term.second;
        if ((term.second >> place) & 1)
            bit = sum_of(bit, proof().of_symbol(ids[0], 0));
    }
    return bit;
}

} // namespace proof
