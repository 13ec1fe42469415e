// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    ILayerZeroEndpointV2,
    Origin
} from "@layerzerolabs/lz-evm-protocol-v2/contracts/interfaces/ILayerZeroEndpointV2.sol";
import { StdCheats } from "forge-std/StdCheats.sol";
import { CommonBase } from "forge-std/Base.sol";
import { Vm } from "forge-std/Vm.sol";

/// @dev What a test needs of LayerZero's SimpleMessageLib, and of the endpoint's owner.
interface ISimpleMessageLib {
    function validatePacket(bytes calldata packet) external;
    function setMessagingFee(uint256 nativeFee, uint256 lzTokenFee) external;
}

/// @title Several real LayerZero endpoints in one EVM, and whoever carries the messages between them.
/// @dev EndpointV2 and SimpleMessageLib come from LayerZero's published artifacts. Nothing is delivered by itself: `validatePacket` stands for
/// the verifiers, `lzReceive` for the executor. The endpoint delivers a message only when all earlier ones of its channel were verified.
abstract contract Wire is CommonBase, StdCheats {
    struct Station {
        ILayerZeroEndpointV2 endpoint;
        ISimpleMessageLib lib;
    }

    struct Packet {
        bytes raw;
        Origin origin;
        uint32 dstEid;
        address receiver;
        bytes32 guid;
        bytes message;
        bool verified;
        bool delivered;
    }

    string private constant ARTIFACTS = "../node_modules/@layerzerolabs/lz-evm-protocol-v2/artifacts/contracts/";

    mapping(uint32 eid => Station) internal stations;
    /// @dev Every message that was ever sent, in order; see {collect}.
    Packet[] internal packets;

    /// @dev An endpoint with one message library, owned by this contract. Call it under the chain id of the endpoint.
    function buildStation(uint32 eid) internal returns (Station memory station) {
        address endpoint =
            deployCode(string.concat(ARTIFACTS, "EndpointV2.sol/EndpointV2.json"), abi.encode(eid, address(this)));
        address lib = deployCode(
            string.concat(ARTIFACTS, "messagelib/SimpleMessageLib.sol/SimpleMessageLib.json"),
            abi.encode(endpoint, address(this))
        );
        station = Station(ILayerZeroEndpointV2(endpoint), ISimpleMessageLib(lib));
        station.endpoint.registerLibrary(lib);
        stations[eid] = station;
    }

    /// @dev Replaces the library that messages of an endpoint go through from here on; the old one stays registered.
    function buildSecondLibrary(uint32 eid) internal {
        Station storage station = stations[eid];
        address lib = deployCode(
            string.concat(ARTIFACTS, "messagelib/SimpleMessageLib.sol/SimpleMessageLib.json"),
            abi.encode(station.endpoint, address(this))
        );
        station.endpoint.registerLibrary(lib);
        station.lib = ISimpleMessageLib(lib);
    }

    /// @dev Sets the libraries of an application towards another endpoint. Only its delegate, which this contract is until the freeze.
    function chooseLibraries(uint32 eid, address application, uint32 peerEid) internal {
        Station memory station = stations[eid];
        station.endpoint.setSendLibrary(application, peerEid, address(station.lib));
        station.endpoint.setReceiveLibrary(application, peerEid, address(station.lib), 0);
    }

    /// @dev Takes the messages sent since the last call out of the recorded logs; every other log goes to {onLog}. Needs `vm.recordLogs()`.
    function collect() internal {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics.length != 0 && logs[i].topics[0] == ILayerZeroEndpointV2.PacketSent.selector) {
                (bytes memory raw,,) = abi.decode(logs[i].data, (bytes, bytes, address));
                packets.push(decodePacket(raw));
            } else {
                onLog(logs[i]);
            }
        }
    }

    /// @dev For tests that keep a book of events.
    function onLog(Vm.Log memory log) internal virtual { }

    /// @dev Indexes into `packets` of what was not delivered yet.
    function pendingPackets() internal returns (uint256[] memory pending) {
        collect();
        pending = new uint256[](packets.length);
        uint256 count;
        for (uint256 i; i < packets.length; ++i) {
            if (!packets[i].delivered) pending[count++] = i;
        }
        assembly {
            mstore(pending, count)
        }
    }

    /// @dev The verifiers' part: this message and every earlier one of its channel.
    function verify(uint256 index) internal {
        Packet storage packet = packets[index];
        for (uint256 i; i <= index; ++i) {
            Packet storage other = packets[i];
            bool sameChannel = other.origin.srcEid == packet.origin.srcEid && other.dstEid == packet.dstEid
                && other.origin.sender == packet.origin.sender && other.receiver == packet.receiver;
            if (!sameChannel || other.verified) continue;
            stations[other.dstEid].lib.validatePacket(other.raw);
            other.verified = true;
        }
    }

    /// @dev Verifies and delivers one message; reverts when its receiver does.
    function deliver(uint256 index) internal {
        require(tryDeliver(index, gasleft()), "the receiver refused the message");
    }

    /// @dev Verifies and delivers with bounded gas. False when it failed; the message then stays and can be delivered later.
    function tryDeliver(uint256 index, uint256 gasLimit) internal returns (bool delivered) {
        verify(index);
        Packet storage packet = packets[index];
        ILayerZeroEndpointV2 endpoint = stations[packet.dstEid].endpoint;
        bytes memory call =
            abi.encodeCall(endpoint.lzReceive, (packet.origin, packet.receiver, packet.guid, packet.message, ""));
        (delivered,) = address(endpoint).call{ gas: gasLimit }(call);
        if (delivered) packet.delivered = true;
    }

    /// @dev Delivers with too little gas; true when nothing happened.
    function starve(uint256 index, uint256 gasLimit) internal returns (bool nothingHappened) {
        return !tryDeliver(index, gasLimit);
    }

    /// @dev Tries to verify and deliver a delivered message once more; false when the endpoint refuses, as it must.
    function duplicate(uint256 index) internal returns (bool deliveredAgain) {
        Packet storage packet = packets[index];
        Station storage station = stations[packet.dstEid];
        (bool verified,) = address(station.lib).call(abi.encodeCall(station.lib.validatePacket, (packet.raw)));
        return verified && tryDeliver(index, gasleft());
    }

    /// @dev Delivers whatever is on its way, and what that sends, in order.
    function deliverAll() internal {
        uint256[] memory pending = pendingPackets();
        for (uint256 i; i < pending.length; ++i) {
            deliver(pending[i]);
        }
    }

    /// @dev Layout of LayerZero's PacketV1Codec: version 1, nonce 8, source 4, sender 32, destination 4, receiver 32, guid 32, message.
    function decodePacket(bytes memory raw) internal pure returns (Packet memory packet) {
        packet.raw = raw;
        packet.origin.nonce = uint64(wordAt(raw, 1) >> 192);
        packet.origin.srcEid = uint32(wordAt(raw, 9) >> 224);
        packet.origin.sender = bytes32(wordAt(raw, 13));
        packet.dstEid = uint32(wordAt(raw, 45) >> 224);
        packet.receiver = address(uint160(wordAt(raw, 49)));
        packet.guid = bytes32(wordAt(raw, 81));
        packet.message = new bytes(raw.length - 113);
        for (uint256 i; i < packet.message.length; ++i) {
            packet.message[i] = raw[113 + i];
        }
    }

    function wordAt(bytes memory data, uint256 offset) private pure returns (uint256 word) {
        assembly {
            word := mload(add(add(data, 0x20), offset))
        }
    }
}
