"""Training steps as JAX's users write them: pure functions of parameters and state, jitted, whose memory is reused."""


def mlp_step(jax, size=(4, 64, 2), batch=32):
    """The step of `cases.captured` on a perceptron with Adam."""
    import numpy
    jnp, random = jax.numpy, numpy.random.default_rng(0)

    def layer(inputs, outputs):
        bound = inputs**-0.5
        shapes = (outputs, inputs), (outputs,)
        return [jnp.asarray(random.uniform(-bound, bound, shape), jnp.float32) for shape in shapes]

    def loss_of(layers, x, y):
        (w, b), (v, c) = layers
        scores = jax.nn.relu(x @ w.T + b) @ v.T + c
        return -jnp.mean(jax.nn.log_softmax(scores)[jnp.arange(batch), y])

    def update(state, x, y):
        layers, means, squares, count = state
        loss, grads = jax.value_and_grad(loss_of)(layers, x, y)
        count = count + 1
        means = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, means, grads)
        squares = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, squares, grads)

        def moved(p, m, s):
            return p - 1e-3 * (m / (1 - 0.9**count)) / (jnp.sqrt(s / (1 - 0.999**count)) + 1e-8)

        return (jax.tree.map(moved, layers, means, squares), means, squares, count), loss

    layers = [layer(size[0], size[1]), layer(size[1], size[2])]
    zeros = jax.tree.map(jnp.zeros_like, layers)
    state = (layers, zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros(()))
    x = jnp.asarray(random.standard_normal((batch, size[0])), jnp.float32)
    y = jnp.asarray(random.integers(0, size[2], batch), jnp.int32)
    jitted = jax.jit(update, donate_argnums=0)

    def step():
        nonlocal state
        state, loss = jitted(state, x, y)
        return loss

    return step
