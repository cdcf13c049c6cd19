// Starling: replicated data that works offline and converges without a leader. Include this one, start at node.hpp.
#pragma once

#include <starling/advisory.hpp>
#include <starling/agreed.hpp>
#include <starling/changes.hpp>
#include <starling/codec.hpp>
#include <starling/commit.hpp>
#include <starling/error.hpp>
#include <starling/events.hpp>
#include <starling/fenced.hpp>
#include <starling/handles.hpp>
#include <starling/lock.hpp>
#include <starling/node.hpp>
#include <starling/options.hpp>
#include <starling/projection.hpp>
#include <starling/queue.hpp>
#include <starling/saga.hpp>
#include <starling/status.hpp>
#include <starling/transaction.hpp>
#include <starling/types.hpp>
#include <starling/value.hpp>
#include <starling/watch.hpp>
