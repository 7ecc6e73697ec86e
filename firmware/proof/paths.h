// The symbols of a run, and the paths that a layer takes where it branches on them.
//
// Between two taps, symbols that are compared with each other form a group; each group's branches are explored depth first,
// one path an event, all groups side by side. What was proven of an event holds for the codes that its branches leave.
#ifndef FPGAAE_PROOF_PATHS_H_
#define FPGAAE_PROOF_PATHS_H_

#include "symbolic.h"
#include <cstdio>

namespace proof {

static const unsigned fully_symbolic_events = 3; // what one leaves behind would stand in the next ones' numbers
static const unsigned most_paths = 1 << 13;
static const big most_choices = 1 << 13;

struct Symbol {
    Interval codes;
    std::vector<unsigned> roots; // places among those that no rounding or comparison made
};

struct Choice {
    big taken, last;
};

struct Group {
    std::vector<Choice> path;
    size_t position = 0;
    unsigned paths = 0;
    bool finished = false;
};

// What stands between two taps, the second of which names it.
struct Segment {
    std::map<unsigned, unsigned> parent; // of root places that are compared with each other
    std::map<unsigned, Group> groups;    // by the last parent
    bool joined = false;                 // in this event: what was explored before does not count

    unsigned find(unsigned place) {
        while (parent.count(place) && parent[place] != place)
            place = parent[place];
        return place;
    }
    bool finished() const {
        for (auto &entry : groups)
            if (!entry.second.finished)
                return false;
        return !joined;
    }
};

// The codes that a golden layer can put out, and their bits behind the point.
struct GoldenLayer {
    int fraction;
    std::vector<Interval> codes;
};

class Proof {
  public:
    std::map<unsigned, GoldenLayer> golden; // by tap
    FILE *out = stdout;
    unsigned event = 0;
    std::vector<Symbol> symbols{1}; // of this event and those before; 0 is none
    std::map<unsigned, Segment> segments;
    unsigned segment = 0; // the number of taps that this event has passed

    // ---- symbols ----

    Number fresh(const std::string &definition, Interval codes, const std::vector<unsigned> &roots, int fraction) {
        auto known = known_.find(definition);
        unsigned id;
        if (known != known_.end()) {
            id = known->second;
        } else {
            id = unsigned(symbols.size());
            if (id > most_symbols)
                throw Unprovable("more than two million symbols");
            symbols.push_back({codes, roots});
            known_[definition] = id;
            std::fprintf(out, "s %u %s %s %s\n", id, text(codes.low).c_str(), text(codes.high).c_str(), definition.c_str());
        }
        return of_symbol(id, fraction);
    }

    Number base(const std::string &definition, Interval codes, int fraction) {
        return fresh(definition + ' ' + std::to_string(event), codes, {place(definition)}, fraction);
    }

    unsigned place(const std::string &definition) {
        return places_.emplace(definition, unsigned(places_.size())).first->second;
    }

    Number of_symbol(unsigned id, int fraction) const {
        Number number;
        number.form.terms.emplace_back(Monomial(id), big(1));
        number.fraction = fraction;
        number.codes = symbols[id].codes;
        return number;
    }

    std::vector<unsigned> roots(const Form &form) const {
        std::set<unsigned> found;
        for (auto &term : form.terms)
            for (unsigned id : symbols_of(term.first))
                found.insert(symbols[id].roots.begin(), symbols[id].roots.end());
        return {found.begin(), found.end()};
    }

    // ---- intervals ----

    // The interval of a form, term by term; exact for an affine one, whose symbols may take any codes.
    Interval of_terms(const Form &form) const {
        Interval sum{form.constant, form.constant};
        for (auto &term : form.terms) {
            Interval part{1, 1};
            std::vector<unsigned> ids = symbols_of(term.first);
            if (ids.size() == 2 && ids[0] == ids[1]) {
                const Interval &s = symbols[ids[0]].codes;
                part = product_of(s, s);
                big least = s.low > 0 ? s.low : s.high < 0 ? -s.high : 0;
                part.low = checked_product(least, least);
            } else {
                for (unsigned id : ids)
                    part = product_of(part, symbols[id].codes);
            }
            part = product_of(part, {term.second, term.second});
            sum = {checked_sum(sum.low, part.low), checked_sum(sum.high, part.high)};
        }
        return sum;
    }

    Interval of(const Number &number) const {
        Interval found = common(number.codes, of_terms(number.form));
        auto limit = limits_.find(text(number.form));
        return limit == limits_.end() ? found : common(found, limit->second);
    }

    bool has_limits() const { return !limits_.empty(); }

    // ---- branches ----

    // Whether form > 0 (or form == 0), which may depend on symbols: then the path of this event says it.
    bool decide(const Number &number, bool is_equal) {
        Interval codes = of(number);
        if (is_equal ? codes.low > 0 || codes.high < 0 : codes.high <= 0)
            return false;
        if (is_equal ? codes.low == 0 && codes.high == 0 : codes.low > 0)
            return true;
        if (is_equal && !single(number.form))
            throw Unprovable("a branch on whether a sum of several values is zero");
        big choice = choose(number.form, 2);
        limit(number, is_equal, choice == 0);
        return choice == 0;
    }

    // The code of a number that C++ needs as an integer: each of them is one path.
    big enumerate(const Number &number) {
        if (number.is_constant())
            return number.form.constant;
        Interval codes = of(number);
        if (codes.low == codes.high)
            return codes.low;
        if (!single(number.form) || number.form.terms[0].second != 1)
            throw Unprovable("a sum of values is used as an integer");
        if (codes.high - codes.low >= most_choices)
            throw Unprovable("a value of more than 13 bits is used as a place in a table");
        unsigned id = unsigned(number.form.terms[0].first);
        big code = codes.low + choose(number.form, codes.high - codes.low + 1);
        narrow(id, {code - number.form.constant, code - number.form.constant});
        return code;
    }

    // Leaves a symbol only some of its codes until the next tap.
    void narrow(unsigned id, Interval to) {
        narrowed_.emplace_back(id, symbols[id].codes);
        symbols[id].codes = common(symbols[id].codes, to);
        std::fprintf(out, "n %u %u %u %s %s\n", event, segment, id, text(symbols[id].codes.low).c_str(),
                     text(symbols[id].codes.high).c_str());
    }

    // ---- events ----

    void start_event() {
        segment = 0;
        known_.clear();
        for (auto &entry : segments) {
            entry.second.joined = false;
            for (auto &group : entry.second.groups)
                group.second.position = 0;
        }
    }

    // Takes every group to its next path; false as soon as all were seen.
    bool finish_event() {
        bool more = false;
        for (auto &entry : segments) {
            Segment &of = entry.second;
            for (auto &item : of.groups) {
                Group &group = item.second;
                if (of.joined) {
                    group = Group();
                    continue;
                }
                group.paths++;
                if (!group.finished && !next(group))
                    group.finished = true;
                if (group.paths > most_paths)
                    throw Unprovable("more than 8,192 paths of branches that depend on each other");
            }
            std::fprintf(out, "g %u %u %d\n", event, entry.first, of.joined ? 1 : 0);
            if (of.joined)
                for (auto item = of.groups.begin(); item != of.groups.end();)
                    item = of.find(item->first) == item->first ? std::next(item) : of.groups.erase(item);
            more = more || !of.finished();
        }
        event++;
        return more || event < fully_symbolic_events;
    }

    // Ends a segment: what its branches say does not hold for the next one.
    void pass_tap() {
        for (; !narrowed_.empty(); narrowed_.pop_back())
            symbols[narrowed_.back().first].codes = narrowed_.back().second;
        limits_.clear();
        segment++;
    }

    // Whether what stands behind a tap still needs its symbols.
    bool needs(unsigned tap) {
        if (event < fully_symbolic_events)
            return true;
        for (auto &entry : segments)
            if (!entry.second.finished() && readers_[tap].count(entry.first))
                return true;
        return false;
    }

    // Notes which taps a segment reads.
    void note_reader(const Form &form) {
        if (event < fully_symbolic_events)
            note_places(roots(form));
    }

    void name_place(const std::string &definition, unsigned tap) { tap_of_[place(definition)] = tap; }

  private:
    std::map<std::string, unsigned> known_;  // symbols of this event by what defines them
    std::map<std::string, unsigned> places_; // base symbols, whatever the event
    std::map<unsigned, unsigned> tap_of_;    // by place
    std::map<unsigned, std::set<unsigned>> readers_; // by tap, the segments that read what it recorded
    std::map<std::string, Interval> limits_;
    std::vector<std::pair<unsigned, Interval>> narrowed_; // and the interval before

    void note_places(const std::vector<unsigned> &places) {
        for (unsigned place : places)
            if (tap_of_.count(place))
                readers_[tap_of_[place]].insert(segment);
    }

    static bool single(const Form &form) {
        return form.terms.size() == 1 && symbols_of(form.terms[0].first).size() == 1;
    }

    static bool next(Group &group) {
        while (!group.path.empty() && group.path.back().taken == group.path.back().last)
            group.path.pop_back();
        if (group.path.empty())
            return false;
        group.path.back().taken++;
        return true;
    }

    big choose(const Form &form, big n) {
        Segment &of = segments[segment];
        std::vector<unsigned> places = roots(form);
        unsigned first = of.find(places.at(0));
        for (unsigned place : places) {
            unsigned other = of.find(place);
            if (other == first)
                continue;
            of.parent[other] = first;
            of.joined = true;
        }
        note_places(places);
        if (of.joined)
            of.groups[first]; // the group begins anew behind this event
        Group &group = of.groups[first];
        if (of.joined)
            return 0;
        if (group.position == group.path.size())
            group.path.push_back({0, n - 1});
        Choice &choice = group.path[group.position++];
        if (choice.last != n - 1)
            throw Unprovable("a path differs from the one before it, which it begins like: a state is kept");
        return choice.taken;
    }

    static big floor_of(big a, big b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

    // Takes over what a branch says of its number.
    void limit(const Number &number, bool is_equal, bool holds) {
        const Form &form = number.form;
        if (single(form)) {
            unsigned id = unsigned(form.terms[0].first);
            big factor = form.terms[0].second;
            Interval codes = symbols[id].codes;
            if (is_equal) {
                big zero = -form.constant / factor;
                if (holds && zero * factor == -form.constant)
                    return narrow(id, {zero, zero});
                if (!holds && codes.low == zero)
                    return narrow(id, {zero + 1, codes.high});
                if (!holds && codes.high == zero)
                    return narrow(id, {codes.low, zero - 1});
                throw Unprovable("a branch on one code within the range of a value");
            }
            // factor * s + constant > 0, or not
            big last = factor > 0 ? floor_of(-form.constant, factor) : floor_of(form.constant - 1, -factor);
            bool above = (factor > 0) == holds;
            return narrow(id, above ? Interval{last + 1, codes.high} : Interval{codes.low, last});
        }
        Interval codes = of(number);
        codes = holds ? Interval{1, codes.high} : Interval{codes.low, 0};
        limits_[text(form)] = codes;
        limits_[text(scaled(form, -1))] = {-codes.high, -codes.low};
        std::fprintf(out, "b %u %u %d %s\n", event, segment, holds ? 1 : 0, text(form).c_str());
    }
};

inline Proof &proof() {
    static Proof instance;
    return instance;
}

} // namespace proof

#endif
