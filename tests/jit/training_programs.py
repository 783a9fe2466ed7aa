"""Training steps of many kinds: each maker gives the objects whose state a step changes, the step, and its batches."""
import rushlight as rl
import rushlight.nn.functional as F


def classifier(optimizer="Adam", model=None, inputs=(4,), classes=2, batch=8, **options):
    """A step of the usual form: forget gradients, loss, backward, update."""
    def make():
        rl.manual_seed(0)
        net = model() if model else rl.nn.Sequential(rl.nn.Linear(*inputs, 16), rl.nn.ReLU(), rl.nn.Linear(16, classes))
        updates = getattr(rl.optim, optimizer)(net.parameters(), **{"lr": 0.01, **options})

        def step(x, y):
            updates.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            updates.step()
            return loss

        return [net, updates], step, lambda: (rl.randn(batch, *inputs), rl.randint(0, classes, (batch,)))
    return make


def convolutional():
    return rl.nn.Sequential(rl.nn.Conv2d(3, 8, 3, padding=1), rl.nn.BatchNorm2d(8), rl.nn.ReLU(inplace=True),
                            rl.nn.MaxPool2d(2), rl.nn.Dropout(0.3), rl.nn.Flatten(), rl.nn.Linear(8 * 16, 3))


class Recurrent(rl.nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.cells = getattr(rl.nn, kind)(5, 8, num_layers=2, batch_first=True, dropout=0.2)
        self.head = rl.nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.cells(x)[0][:, -1])


class Attention(rl.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = rl.nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
        self.head = rl.nn.Linear(16, 3)

    def forward(self, x):
        return self.head(self.layer(x).mean(1))


def _regression(body, optimizer=None, batches=None, more=()):
    """A step that a function `body(net, updates, x)` writes out."""
    def make():
        rl.manual_seed(0)
        net = rl.nn.Sequential(rl.nn.Linear(4, 8), rl.nn.Tanh(), rl.nn.Linear(8, 1))
        updates = (optimizer or (lambda p: rl.optim.SGD(p, lr=0.1, momentum=0.9)))(net.parameters())

        def step(*args):
            return body(net, updates, *args)

        return [net, updates, *more], step, batches or (lambda: (rl.randn(6, 4),))
    return make


def clipping(net, updates, x):
    updates.zero_grad()
    loss = net(x).pow(2).sum()
    loss.backward()
    norm = rl.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
    updates.step()
    return loss.detach(), norm


def clipping_values(net, updates, x):
    updates.zero_grad()
    net(x).pow(2).sum().backward()
    rl.nn.utils.clip_grad_value_(net.parameters(), 0.01)
    updates.step()


def zeroed_in_place(net, updates, x):
    updates.zero_grad(set_to_none=False)
    loss = net(x).abs().sum()
    loss.backward()
    updates.step()
    return {"loss": loss, "norms": [p.grad.norm() for p in net.parameters()]}


def accumulation(net, updates, x):
    loss = net(x).pow(2).mean()
    loss.backward()
    return loss


def accumulation_of_two(net, updates, x):
    updates.zero_grad()
    for part in x.split(3):
        (net(part).pow(2).mean() / 2).backward()
    updates.step()


def retained(net, updates, x):
    updates.zero_grad()
    loss = net(x).pow(2).mean()
    loss.backward(retain_graph=True)
    loss.backward()
    updates.step()
    return loss


def two_losses(net, updates, x):
    updates.zero_grad()
    hidden = net[1](net[0](x))
    first = net[2](hidden).mean()
    second = hidden.pow(2).mean()
    first.backward(retain_graph=True)
    second.backward()
    updates.step()
    return first, second


def gradient_penalty(net, updates, x):
    updates.zero_grad()
    x = x.detach().requires_grad_()
    y = net(x).sum()
    (slope,) = rl.autograd.grad(y, x, create_graph=True)
    loss = y + (slope.norm(dim=1) - 1).pow(2).mean()
    loss.backward()
    updates.step()
    return loss, slope


def recorded_backward(net, updates, x):
    updates.zero_grad()
    loss = net(x).pow(2).mean()
    loss.backward(create_graph=True)
    penalty = sum(p.grad.pow(2).sum() for p in net.parameters())
    updates.zero_grad()
    penalty.backward()
    updates.step()
    return penalty


def by_hand(net, updates, x):
    loss = net(x).pow(2).mean()
    grads = rl.autograd.grad(loss, list(net.parameters()))
    with rl.no_grad():
        for p, g in zip(net.parameters(), grads, strict=True):
            p -= 0.1 * g
    return loss


def by_hand_through_data(net, updates, x):
    for p in net.parameters():
        if p.grad is not None:
            p.grad.zero_()
    loss = net(x).pow(2).mean()
    loss.backward()
    for p in net.parameters():
        p.data -= 0.1 * p.grad.data
    return loss


def without_gradients_in_parts(net, updates, x):
    updates.zero_grad()
    with rl.no_grad():
        target = net(x + 1)
    loss = F.mse_loss(net(x), target)
    loss.backward()
    updates.step()
    return loss, target


def writes_in_place(net, updates, x):
    updates.zero_grad()
    y = net[0](x)
    y[:, 1:3] = y[:, 1:3].clone() * 2
    y.mul_(y.detach() + 1).tanh_()
    z = y.clone()
    z[0].exp_()
    loss = net[2](net[1](z)).sum()
    loss.backward()
    updates.step()
    return loss, y


def kept_gradients(net, updates, x):
    updates.zero_grad()
    hidden = net[0](x)
    hidden.retain_grad()
    hidden.register_hook(lambda g: g * 2)
    net[2](net[1](hidden)).sum().backward()
    updates.step()
    return hidden.grad


class Clipped(rl.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(-1, 1)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (x.abs() <= 1) + 0.01 * g


def own_function(net, updates, x):
    updates.zero_grad()
    loss = Clipped.apply(net(x) * 3).sum()
    loss.backward()
    updates.step()
    return loss


def mixed_precision(net, updates, x):
    updates.zero_grad()
    with rl.autocast("cpu", dtype=rl.bfloat16):
        loss = net(x).pow(2).mean()
    loss.backward()
    updates.step()
    return loss


def of_inputs(net, updates, x):
    y = net(x).sum()
    y.backward()
    return y


def frozen():
    rl.manual_seed(0)
    net = rl.nn.Sequential(rl.nn.Linear(4, 8), rl.nn.Tanh(), rl.nn.Linear(8, 1))
    net[0].requires_grad_(False)
    updates = rl.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=0.1)

    def step(x):
        updates.zero_grad()
        loss = net(x).pow(2).mean()
        loss.backward()
        updates.step()
        return loss
    return [net, updates], step, lambda: (rl.randn(6, 4),)


def shared():
    rl.manual_seed(0)
    first, second = rl.nn.Linear(4, 4), rl.nn.Linear(4, 4)
    second.weight = first.weight
    net = rl.nn.Sequential(first, rl.nn.Tanh(), second, first)
    updates = rl.optim.AdamW(net.parameters(), lr=0.1)

    def step(x):
        updates.zero_grad()
        loss = net(x).pow(2).mean()
        loss.backward()
        updates.step()
        return loss
    return [net, updates], step, lambda: (rl.randn(6, 4),)


def adversarial():
    rl.manual_seed(0)
    maker = rl.nn.Sequential(rl.nn.Linear(3, 8), rl.nn.BatchNorm1d(8), rl.nn.ReLU(), rl.nn.Linear(8, 4))
    judge = rl.nn.Sequential(rl.nn.Linear(4, 8), rl.nn.LeakyReLU(0.2), rl.nn.Dropout(0.2), rl.nn.Linear(8, 1))
    ours = rl.optim.Adam(maker.parameters(), lr=0.01, betas=(0.5, 0.999))
    theirs = rl.optim.Adam(judge.parameters(), lr=0.01, betas=(0.5, 0.999))
    criterion = rl.nn.BCEWithLogitsLoss()

    def step(real):
        theirs.zero_grad()
        noise = rl.randn(real.shape[0], 3)
        fake = maker(noise)
        yes, no = rl.ones(real.shape[0], 1), rl.zeros(real.shape[0], 1)
        worse = criterion(judge(real), yes) + criterion(judge(fake.detach()), no)
        worse.backward()
        theirs.step()
        ours.zero_grad()
        better = criterion(judge(fake), yes)
        better.backward()
        ours.step()
        return worse.detach(), better.detach()
    return [maker, judge, ours, theirs], step, lambda: (rl.randn(6, 4),)


def embedding():
    rl.manual_seed(0)
    table, head = rl.nn.Embedding(10, 4), rl.nn.Linear(4, 10)
    updates = rl.optim.SGD([*table.parameters(), *head.parameters()], lr=0.5)

    def step(x):
        updates.zero_grad()
        loss = F.cross_entropy(head(table(x).sum(1)), x[:, 0])
        loss.backward()
        updates.step()
        return loss
    return [table, head, updates], step, lambda: (rl.randint(0, 10, (6, 3)),)


def trainer():
    class Trainer:
        def __init__(self):
            rl.manual_seed(0)
            self.net = rl.nn.Linear(4, 1)
            self.updates = rl.optim.RMSprop(self.net.parameters(), lr=0.1)
            self.scale = 2.0

        def step(self, x):
            self.updates.zero_grad()
            loss = self.scale * self.net(x).abs().mean()
            loss.backward()
            self.updates.step()
            return loss

    one = Trainer()
    return [one.net, one.updates], one.step, lambda: (rl.randn(6, 4),)


OPTIMIZERS = {"SGD": {}, "Adam": {}, "AdamW": {}, "Adamax": {}, "NAdam": {}, "RAdam": {}, "Adagrad": {}, "Adadelta": {},
              "RMSprop": {}, "Rprop": {}, "ASGD": {}, "Adafactor": {}}
VARIANTS = {
    "momentum": classifier("SGD", momentum=0.9, nesterov=True, weight_decay=0.01),
    "amsgrad": classifier("Adam", amsgrad=True, weight_decay=0.01, maximize=True),
    "centered": classifier("RMSprop", centered=True, momentum=0.5),
}
PROGRAMS = {
    "convolutional": classifier("SGD", convolutional, (3, 8, 8), 3, 4, momentum=0.9),
    "lstm": classifier("Adam", lambda: Recurrent("LSTM"), (6, 5), 3, 4),
    "gru": classifier("Adam", lambda: Recurrent("GRU"), (6, 5), 3, 4),
    "rnn": classifier("Adam", lambda: Recurrent("RNN"), (6, 5), 3, 4),
    "transformer": classifier("AdamW", Attention, (5, 16), 3, 4),
    **{body.__name__: _regression(body) for body in (
        clipping, clipping_values, zeroed_in_place, accumulation, accumulation_of_two, retained, two_losses,
        gradient_penalty, recorded_backward, by_hand, by_hand_through_data, without_gradients_in_parts,
        writes_in_place, kept_gradients, own_function, mixed_precision)},
    "of_inputs": _regression(of_inputs, batches=lambda: (rl.randn(6, 4, requires_grad=True),)),
    **{maker.__name__: maker for maker in (frozen, shared, adversarial, embedding, trainer)},
    **VARIANTS,
    **{name: classifier(name, **options) for name, options in OPTIMIZERS.items()},
}
