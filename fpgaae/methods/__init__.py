"""The family of full-precision methods: what a config's `method:` may be.

**To add a method**, write one file `fpgaae/methods/kinds/NAME.py`; `method: {kind: NAME}` then finds it. It holds

- its options: a subclass of `MethodOptions`, whose fields are the keys of the YAML. A field of type `float` is a knob:
  an ensemble may vary it (`ensemble: {points: [{beta: 0.1}, {beta: 1.0}]}`), so read it from `step.knobs["beta"]`;
- its method: a subclass of `Method` with `options_class`, and
  - `build()`: the networks, `{"encoder": keras.Model, ...}`, from `self.setting` (widths, training mean and variance).
    `fpgaae.methods.networks` has the usual ones, whose layers bear the names of the quantized twin;
  - `terms(networks, batch, step)`: the loss, `{"reconstruction": scalar, "kl": scalar}`; `batch["x"]` holds the
    events. A loss that is not finite names the term. Random numbers come from `step.normal(shape)` and
    `step.uniform(shape)`, schedules from `step.progress` (0 to 1);
  - `scores()`: `{"name": function(networks, batch, step) -> (n,)}`, larger is more anomalous. It must not read
    `self`, since the config is checked against the names before anything is built: give bound methods;
  - `encode` and `decode` where it has latents: the uses (maps, sampling, interpolation, ...) call them;
  - `phases()` where the training has several parts or adversaries: an `Objective` minimises some terms over some
    variables, and a phase takes its objectives in turn on every batch;
  - `solve(x)` where there is a closed form instead of a training;
- `keras` and `ops` from `fpgaae.methods.lazy`, never imported directly: commands that need no Keras read it, too.

Then ship `configs/reference/NAME.yaml` (`extends: ../l1_ae.yaml`). Nothing else has to be edited; training, ensembles,
precision, devices, scores, figures and the table of `docs/reference.md` come by themselves.

Nothing here knows of run folders, events or training loops: those are in `fpgaae.training.methods`.
"""
