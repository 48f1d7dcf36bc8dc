#include "hlo/scope.h"
#include "op_fixture.h"

namespace adder::op {
namespace {

using hlo::Function;
using hlo::Value;
using hlo::Values;
using Control = OpTest;

TEST_F(Control, WhileUntilACondition) {
  // Doubles until above 100; `a[1]` is captured by the condition and `a[2]` by the body.
  expect({f32({}, {3}), f32({}, {100}), f32({}, {2})},
         [](const Values& a) {
           const Value zero = hlo::constant(a[0].function(), DType::s32, 0);
           return hlo::while_(
               {a[0], zero}, [&](const Values& v) { return hlo::lt(v[0], a[1]); },
               [&](const Values& v) -> Values {
                 return {v[0] * a[2], v[1] + 1};
               });
         },
         {f32({}, {192}), s32({}, {6})});
}

TEST_F(Control, NamesOfPartsAreTakenAndChangeNothing) {
  expect({f32({2}, {1, 2})},
         [](const Values& a) {
           Function& f = a[0].function();
           const hlo::Scope outer(f, "mixer");
           return hlo::fori(f, 3, {a[0]}, [&](Value, const Values& v) -> Values {
             hlo::Scope part(f, "ssd");
             const Value twice = v[0] * 2;
             part.next("a \"quoted\" \\ name");
             return {twice + 1};
           });
         },
         {f32({2}, {15, 23})});
}

TEST_F(Control, ForiCountsAndCaptures) {
  expect({f32({2}, {1, 2}), f32({2}, {0, 0})},
         [](const Values& a) {
           Function& f = a[0].function();
           return hlo::fori(f, 5, {a[1]}, [&](Value i, const Values& v) -> Values {
             return {v[0] + a[0] * hlo::convert(i, DType::f32)};
           });
         },
         {f32({2}, {10, 20})});
  expect({f32({2}, {1, 2})},
         [](const Values& a) {
           return hlo::fori(a[0].function(), 0, {a[0]},
                            [](Value, const Values& v) -> Values { return {v[0] + 1}; });
         },
         {f32({2}, {1, 2})});
}

TEST_F(Control, NestedLoopsCaptureFromEveryLevel) {
  // sum over i < 3, j < 4 of (10 i + j) * scale
  expect({s32({}, {0}), s32({}, {2})},
         [](const Values& a) {
           Function& f = a[0].function();
           return hlo::fori(f, 3, {a[0]}, [&](Value i, const Values& outer) -> Values {
             const Value tens = i * 10;
             return hlo::fori(f, 4, {outer[0]}, [&](Value j, const Values& inner) -> Values {
               return {inner[0] + (tens + j) * a[1]};
             });
           });
         },
         {s32({}, {276})});
}

TEST_F(Control, IfTakesOneBranch) {
  auto branch = [](const Values& a) {
    return hlo::if_(
        a[0],
        [&]() -> Values {
          return {a[1] + 1, a[1]};
        },
        [&]() -> Values {
          return {a[1] * 10, -a[1]};
        });
  };
  expect({i1({}, {1}), f32({}, {3})}, branch, {f32({}, {4}), f32({}, {3})});
  expect({i1({}, {0}), f32({}, {3})}, branch, {f32({}, {30}), f32({}, {-3})});
}

TEST_F(Control, IfInsideALoop) {
  // Adds 1 on even steps, 100 on odd ones.
  expect({s32({}, {0})},
         [](const Values& a) {
           Function& f = a[0].function();
           return hlo::fori(f, 5, {a[0]}, [&](Value i, const Values& v) -> Values {
             const Value even = hlo::eq(hlo::and_(i, hlo::constant(f, DType::s32, 1)), 0);
             return hlo::if_(
                 even, [&]() -> Values { return {v[0] + 1}; }, [&]() -> Values { return {v[0] + 100}; });
           });
         },
         {s32({}, {203})});
}

TEST_F(Control, BarrierPassesThrough) {
  expect({f32({2}, {1, 2}), s32({}, {3})},
         [](const Values& a) {
           return hlo::optimization_barrier({a[0], a[1]});
         },
         {f32({2}, {1, 2}), s32({}, {3})});
}

TEST_F(Control, CallsInsideLoops) {
  hlo::Module module("calls");
  Function& layer = module.add_function("layer");
  const Value x = layer.argument({DType::f32, {2}}, {"x", ""}),
              w = layer.argument({DType::f32, {2}}, {"w", ""});
  layer.finish({{"y", x * w}, {"z", x + w}});
  Function& main = module.main();
  const Value start = main.argument({DType::f32, {2}}, {"start \"quoted\", (odd) [name]", ""});
  const Value weights = main.argument({DType::f32, {2}}, {"weights", ""});
  const Values out = hlo::fori(main, 3, {start, start}, [&](Value, const Values& v) {
    return hlo::call(layer, {v[0], weights});
  });
  main.finish({{"y", out[0]}, {"z", out[1]}});
  for (const auto& [path, client] : clients()) {
    SCOPED_TRACE(path);
    const auto results = run(client, module.text(), {f32({2}, {1, 1}), f32({2}, {2, 3})});
    ASSERT_TRUE(results) << results.error().to_string();
    EXPECT_EQ((*results)[0].values, (std::vector<double>{8, 27}));
    EXPECT_EQ((*results)[1].values, (std::vector<double>{6, 12}));
  }
}

TEST_F(Control, DonationTakesTheBuffer) {
  hlo::Module module("donate");
  Function& main = module.main();
  const Value step = main.argument({DType::f32, {256}}, {"step", ""});
  const Value state = main.argument({DType::f32, {256}}, {"state", "next"});
  const Values next =
      hlo::fori(main, 4, {state}, [&](Value, const Values& v) -> Values { return {v[0] + step}; });
  main.finish({{"step times two", step * 2}, {"next", next[0]}});
  for (const auto& [path, client] : clients()) {
    SCOPED_TRACE(path);
    const auto executable = client.compile(module.text());
    ASSERT_TRUE(executable) << executable.error().to_string();
    const std::vector<float> ones(256, 1);
    const auto a = client.to_device(std::span(ones), {DType::f32, {256}});
    const auto b = client.to_device(std::span(ones), {DType::f32, {256}});
    ASSERT_TRUE(a && b);
    const std::vector<const pjrt::Buffer*> arguments{&*a, &*b};
    const auto outputs = executable->execute(arguments);
    ASSERT_TRUE(outputs) << outputs.error().to_string();
    EXPECT_FALSE(a->is_deleted().value());
    EXPECT_TRUE(b->is_deleted().value());
    EXPECT_EQ((*outputs)[1].to_host<float>().value(), std::vector<float>(256, 5));
    if (const auto memory = executable->memory_stats(); memory.has_value()) {
      EXPECT_EQ(memory->aliased, 1024);
    }
  }
}

}  // namespace
}  // namespace adder::op
