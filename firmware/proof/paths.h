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
    unsigned sweeps = 0; // in which it was followed, where groups are followed one by one
};

// What stands between two taps, the second of which names it.
struct Segment {
    std::map<unsigned, unsigned> parent; // of root places that are compared with each other
    std::map<unsigned, Group> groups;    // by the last parent
    bool joined = false;                 // in this event: what was explored before does not count
    // Where it is not known that no group decides about what another one gives: each takes its paths while all others take
    // their first choice at every branch, then again while they take their last.
    bool one_by_one = false;
    bool begun = false;
    unsigned sweep = 0, current = 0;

    unsigned find(unsigned place) {
        while (parent.count(place) && parent[place] != place)
            place = parent[place];
        return place;
    }
    bool finished() const {
        if (one_by_one)
            return !joined && (groups.empty() || sweep == 2);
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
    std::vector<unsigned> slots;            // by port, the first one of its slot
    bool has_objects = false;               // of which several ports make one
    FILE *out = stdout;
    unsigned event = 0;
    std::vector<Symbol> symbols{1}; // of this event and those before; 0 is none
    std::map<unsigned, Segment> segments;
    unsigned segment = 0; // the number of taps that this event has passed

    // ---- symbols ----

    Number fresh(const std::string &definition, Interval codes, const std::vector<unsigned> &roots, int fraction);

    Number base(const std::string &definition, Interval codes, int fraction);

    unsigned place(const std::string &definition);

    Number of_symbol(unsigned id, int fraction) const;

    std::vector<unsigned> roots(const Form &form) const;

    // ---- intervals ----

    // The interval of a form, term by term; exact for an affine one, whose symbols may take any codes.
    Interval of_terms(const Form &form) const;

    Interval of(const Number &number) const;

    bool has_limits() const { return !limits_.empty(); }

    // ---- branches ----

    // Whether form > 0 (or form == 0), which may depend on symbols: then the path of this event says it.
    bool decide(const Number &number, bool is_equal);

    // The code of a number that C++ needs as an integer: each of them is one path.
    big enumerate(const Number &number);

    // Takes the branches on two values of this segment as depending on each other, from the begin.
    void join(const std::string &definition, const std::string &with);

    // Leaves a symbol only some of its codes until the next tap.
    void narrow(unsigned id, Interval to);

    // ---- events ----

    void start_event();

    // Takes every group to its next path; false as soon as all were seen.
    bool finish_event();

    // Ends a segment: what its branches say does not hold for the next one.
    void pass_tap();

    // Whether what stands behind a tap still needs its symbols.
    bool needs(unsigned tap);

    // Notes which taps a segment reads.
    void note_reader(const Form &form);

    void name_place(const std::string &definition, unsigned tap) { tap_of_[place(definition)] = tap; }

  private:
    std::map<std::string, unsigned> known_;  // symbols of this event by what defines them
    std::map<std::string, unsigned> places_; // base symbols, whatever the event
    std::map<unsigned, unsigned> tap_of_;    // by place
    std::map<unsigned, std::set<unsigned>> readers_; // by tap, the segments that read what it recorded
    std::map<std::string, Interval> limits_;
    std::vector<std::pair<unsigned, Interval>> narrowed_; // and the interval before

    void note_places(const std::vector<unsigned> &places);

    static bool single(const Form &form);

    static bool next(Group &group);

    void go_on(Segment &of, unsigned tap);

    big choose(const Form &form, big n);

    static big floor_of(big a, big b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

    // Takes over what a branch says of its number.
    void limit(const Number &number, bool holds);

    bool is_zero(const Form &form);
};

Proof &proof();

} // namespace proof

#endif
